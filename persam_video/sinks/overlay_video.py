"""The source as a video with the results drawn over it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.drawing.overlay import OverlayStyle, draw_overlay
from persam_video.results import FrameResult
from persam_video.sinks.video import VideoSink
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo


class OverlayVideoSink(VideoSink):
    """Writes a video of the frames with masks, contours and object ids."""

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
        self._style = style or OverlayStyle()
        size = self._style.canvas(info.width, info.height)
        super().__init__(path, info, size=size, stride=stride, codec=codec, crf=crf)

    def picture(self, frame: Frame, result: FrameResult) -> NDArray[np.uint8]:
        """Return the frame with the result drawn over it, uint8 RGB (H, W, 3)."""
        return draw_overlay(frame.rgb, result.labels, result.objects, style=self._style)
