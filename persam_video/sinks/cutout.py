"""Cut-outs: the objects without their background, as pictures or video with transparency."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.drawing.soft import objects_share
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.sinks.video import VideoSink
from persam_video.util.atomic import atomic_path, make_folder
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo

# Encoders mix the colours of pixels that are this near; beyond, hidden ones cost bytes only.
_RIM = 16
_COMPRESSION = 6


def cut_out(
    rgb: NDArray[np.uint8], result: FrameResult, rim: int = 0, feather: float = 0
) -> NDArray[np.uint8]:
    """Return the objects of a frame with a transparent background.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        result: of the frame; its soft masks are used where it has them.
        rim: distance in pixels around the objects over which the hidden colours are kept; farther
            ones are black.
        feather: width of the objects' edges in pixels, over which alpha falls from 255 to 0.

    Returns:
        uint8 RGBA array of shape (H, W, 4), alpha 255 where an object is and 0 elsewhere, or in
        between where edges are soft; colours are not multiplied by alpha.
    """
    alpha = np.rint(255 * objects_share(result, feather)).astype(np.uint8)
    kept = cv2.dilate(alpha, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) if rim else alpha
    return np.dstack((np.where(kept[..., None] > 0, rgb, np.uint8(0)), alpha))


class CutoutPngSink(Sink):
    """Writes the objects of each frame to ``folder/NAME.png``, RGBA.

    Alpha is 255 on objects and 0 elsewhere unless edges are to be soft, and colours are those of
    the frame, so that nothing is lost. Names are those of ``MaskPngSink``. Each file appears whole
    or not at all.
    """

    def __init__(self, folder: str | Path, feather: float = 0) -> None:
        """Create the folder.

        Raises:
            OutputError: the folder cannot be created.
        """
        self._folder = make_folder(Path(folder))
        self._feather = feather

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write the picture of one frame.

        Raises:
            OutputError: the file cannot be written.
        """
        image = Image.fromarray(cut_out(frame.rgb, result, feather=self._feather))
        with atomic_path(self._folder / f"{frame.stem}.png") as sibling:
            image.save(sibling, format="PNG", compress_level=_COMPRESSION)

    def close(self) -> None:
        """Do nothing: every file is finished when it is written."""


class CutoutVideoSink(VideoSink):
    """Writes a video of the objects with a transparent background."""

    def __init__(
        self,
        path: str | Path,
        info: SourceInfo,
        *,
        codec: str,
        stride: int = 1,
        crf: int | None = None,
        feather: float = 0,
    ) -> None:
        """Prepare to write; see ``VideoSink``.

        Args:
            path: the video: ``.webm`` for VP9, ``.mov`` for ProRes.
            info: facts about the source of the frames.
            codec: ``vp9-alpha`` or ``prores``.
            stride: distance between the frames that are written, in frames of the source.
            crf: constant quality of VP9; ProRes has none.
            feather: width of the objects' edges in pixels.

        Raises:
            OutputError: the video cannot be written there.
            ConfigError: a setting is out of range.
        """
        self._feather = feather
        size = (info.width, info.height)
        super().__init__(path, info, size=size, stride=stride, codec=codec, crf=crf)

    def picture(self, frame: Frame, result: FrameResult) -> NDArray[np.uint8]:
        """Return the objects as uint8 RGBA (H, W, 4), clear outside of them."""
        return cut_out(frame.rgb, result, rim=_RIM, feather=self._feather)
