"""Reading a camera."""

import time
from collections.abc import Generator
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.errors import SourceError
from persam_video.video.frame import Frame
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceInfo


class CameraDecoder:
    """A camera, or whatever else a ``cv2.VideoCapture`` reads.

    A frame's time is when it arrived, relative to the first. Frames are not skipped here to
    catch up; ``persam_video.video.live.NewestItems`` does that.
    """

    def __init__(self, location: Location, capture: cv2.VideoCapture) -> None:
        """Grab the first frame.

        Args:
            location: what to call the camera.
            capture: an opened capture; the decoder owns it from here on.

        Raises:
            SourceError: the camera cannot be opened or gives no frame.
        """
        self.warnings: list[str] = []
        self._capture = capture
        first = self._grab()
        if first is None:
            capture.release()
            raise SourceError(
                f"{location.name}: cannot be opened or gives no picture; "
                "check that it is plugged in and not in use"
            )
        self._first, self._began = first, time.monotonic()
        rate = capture.get(cv2.CAP_PROP_FPS)
        height, width = first.shape[:2]
        self.info = SourceInfo(
            name=location.name,
            kind=location.kind,
            width=width,
            height=height,
            fps=Fraction(rate).limit_denominator(1001) if rate > 0 else None,
            variable_frame_rate=True,
            live=True,
        )

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Grab frames and yield the selected ones until the camera stops."""
        rgb: NDArray[np.uint8] | None = self._first
        arrived, index = 0.0, 0
        while rgb is not None:
            if index in selection:
                yield Frame(index, rgb, arrived)
            if selection.ends_with(index):
                return
            rgb = self._grab()
            arrived, index = time.monotonic() - self._began, index + 1
        self.warnings.append(f"{self.info.name}: stopped after {index} frames")

    def close(self) -> None:
        """Release the camera; a second call does nothing."""
        self._capture.release()

    def _grab(self) -> NDArray[np.uint8] | None:
        received, bgr = self._capture.read()
        if not received or bgr is None:
            return None
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def open_camera(location: Location) -> CameraDecoder:
    """Open a camera by its index.

    Raises:
        SourceError: it cannot be opened or gives no frame.
    """
    return CameraDecoder(location, cv2.VideoCapture(int(location.address)))
