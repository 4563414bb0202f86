"""The source as a video with the results drawn over it."""

from fractions import Fraction
from pathlib import Path

from persam_video.errors import ConfigError
from persam_video.report.overlay import OverlayStyle, draw_overlay
from persam_video.sinks.base import Sink
from persam_video.tracking.result import FrameResult
from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo, SourceKind
from persam_video.video.writer import VideoWriter

# For sources that tell no rate, such as some cameras: only the length of the last frame depends on
# it, because every other frame lasts until the next one's time.
_FALLBACK_FPS = Fraction(30)


class OverlayVideoSink(Sink):
    """Writes a video of the frames with masks, contours and object ids.

    The video has the exact frame rate of the source, or the source's own times where its rate
    varies, and the sound that goes with the frames. With a stride it plays as long as the source
    does, with fewer frames a second.

    The file appears when the sink is closed; without a frame there is none.
    """

    def __init__(
        self,
        path: str | Path,
        info: SourceInfo,
        *,
        stride: int = 1,
        style: OverlayStyle | None = None,
        codec: str = "h264",
        crf: int = 20,
    ) -> None:
        """Prepare to write.

        Args:
            path: the video, ``.mp4`` for what browsers play.
            info: facts about the source of the frames.
            stride: distance between the frames that are written, in frames of the source.
            style: how results are drawn; the default style when not given.
            codec: a name in ``persam_video.video.formats.CODECS``.
            crf: constant quality of the encoder, lower is better.

        Raises:
            OutputError: the video cannot be written there.
            ConfigError: a setting is out of range.
        """
        if stride < 1:
            raise ConfigError(f"stride is {stride}; give a whole number of 1 or more")
        self._style = style or OverlayStyle()
        has_sound = info.kind is SourceKind.FILE and info.has_audio
        self._writer = VideoWriter(
            path,
            size=(info.width, info.height),
            fps=(info.fps or _FALLBACK_FPS) / stride,
            codec=codec,
            crf=crf,
            audio_from=info.path if has_sound else None,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be kept of the sound, one line each; complete once closed."""
        return tuple(self._writer.warnings)

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Draw the result over the frame and add it to the video.

        Raises:
            OutputError: the file cannot be written any further.
        """
        drawn = draw_overlay(frame.rgb, result.labels, result.objects, style=self._style)
        self._writer.write(drawn, frame.time)

    def close(self) -> None:
        """Finish the video; a second call does nothing.

        Raises:
            OutputError: the file cannot be finished.
        """
        self._writer.close()
