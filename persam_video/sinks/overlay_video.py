"""The source as a video, or a picture, with the results drawn over it."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from persam_video.drawing.coverage import Coverage
from persam_video.drawing.overlay import Painter, write_picture
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.sinks.video import VideoSink
from persam_video.video.frame import Frame
from persam_video.video.picture import Pixels
from persam_video.video.source import SourceInfo
from persam_video.video.writer import square_size


class OverlayVideoSink(VideoSink):
    """Writes a video of the frames in one style or several."""

    def __init__(
        self,
        path: str | Path,
        info: SourceInfo,
        *,
        stride: int = 1,
        style: OverlayStyle | None = None,
        codec: str = "h264",
        crf: int | None = None,
    ) -> None:
        """Prepare to write; see ``VideoSink``.

        Args:
            path: the video, ``.mp4`` for what browsers play.
            info: facts about the source of the frames.
            stride: distance between the frames that are written, in frames of the source.
            style: how results are drawn; the default style when not given.
            codec: a name in ``persam_video.video.formats.CODECS``.
            crf: constant quality of the encoder.

        Raises:
            OutputError: the video cannot be written there.
            ConfigError: a setting is out of range.
        """
        self._painter = _painter(style, info)
        size = self._painter.size(info.width, info.height)
        super().__init__(path, info, size=size, stride=stride, codec=codec, crf=crf)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the styles warn of, and what could not be kept of the sound."""
        return (*self._painter.warnings, *super().warnings)

    @property
    def coverage(self) -> Coverage | None:
        """In which frames to look whether everything is hidden that is to be."""
        return self._painter.coverage

    def pass_over(self, result: FrameResult) -> None:
        """Take note of the result of a frame that is not written."""
        self._painter.pass_over(result)

    def picture(self, frame: Frame, result: FrameResult) -> Pixels:
        """Return the frame with the result drawn over it."""
        return self._painter.paint(frame.pixels, result)

    def close(self) -> None:
        """Finish the video; a second call does nothing.

        Raises:
            OutputError: the file cannot be finished.
        """
        self._painter.close()
        super().close()

    def abort(self) -> None:
        """Drop the video; does nothing once it is closed."""
        self._painter.close()
        super().abort()


class OverlayPictureSink(Sink):
    """Writes the last frame that it is given as a PNG; without a frame there is none."""

    def __init__(
        self, path: str | Path, info: SourceInfo, style: OverlayStyle | None = None
    ) -> None:
        """Prepare to write.

        Args:
            path: the picture.
            info: facts about the source of the frames.
            style: how results are drawn; the default style when not given.

        Raises:
            ConfigError: a style is unknown, or its value is none that it takes.
        """
        self._path = Path(path)
        self._painter = _painter(style, info)
        self._pixel_aspect = info.pixel_aspect

    @property
    def coverage(self) -> Coverage | None:
        """Whether everything is hidden that is to be."""
        return self._painter.coverage

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the styles warn of."""
        return self._painter.warnings

    def pass_over(self, result: FrameResult) -> None:
        """Take note of the result of a frame that is not written."""
        self._painter.pass_over(result)

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write the picture of a frame.

        Raises:
            OutputError: the file cannot be written.
        """
        picture = self._painter.draw(frame.rgb, result)
        size = square_size((picture.shape[1], picture.shape[0]), self._pixel_aspect)
        if size != picture.shape[1::-1]:
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR))
        write_picture(self._path, picture)

    def close(self) -> None:
        """Release what the styles hold; the file is finished when it is written."""
        self._painter.close()


def _painter(style: OverlayStyle | None, info: SourceInfo) -> Painter:
    return Painter(replace(style or OverlayStyle(), pixel_aspect=info.pixel_aspect))
