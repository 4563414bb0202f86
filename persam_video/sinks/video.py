"""The base of all sinks that write a video."""

from abc import abstractmethod
from fractions import Fraction
from pathlib import Path

from persam_video.errors import ConfigError
from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.video.frame import Frame
from persam_video.video.picture import Pixels
from persam_video.video.source import SourceInfo, SourceKind
from persam_video.video.writer import VideoWriter

# For sources that tell no rate, such as some cameras: only the length of the last frame depends on
# it, because every other frame lasts until the next one's time.
_FALLBACK_FPS = Fraction(30)


class VideoSink(Sink):
    """Writes a picture for every frame to a video.

    The video has the exact frame rate of the source, or the source's own times where its rate
    varies, and the sound that goes with the frames. With a stride it plays as long as the source
    does, with fewer frames a second.

    The file appears when the sink is closed, unless no frame was written.
    """

    def __init__(
        self,
        path: str | Path,
        info: SourceInfo,
        *,
        size: tuple[int, int],
        stride: int,
        codec: str,
        crf: int | None,
    ) -> None:
        """Prepare to write.

        Args:
            path: the video.
            info: facts about the source of the frames.
            size: (width, height) of the pictures in pixels.
            stride: distance between the frames that are written, in frames of the source.
            codec: a name in ``persam_video.video.formats.CODECS``.
            crf: constant quality of the encoder, lower is better; the codec's default when not
                given.

        Raises:
            OutputError: the video cannot be written there.
            ConfigError: a setting is out of range.
        """
        if stride < 1:
            raise ConfigError(f"stride is {stride}; give a whole number of 1 or more")
        has_sound = info.kind is SourceKind.FILE and info.has_audio
        self._writer = VideoWriter(
            path,
            size=size,
            fps=(info.fps or _FALLBACK_FPS) / stride,
            codec=codec,
            crf=crf,
            audio_from=info.path if has_sound else None,
            pixel_aspect=info.pixel_aspect,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems with the sound, one line each; complete once closed."""
        return tuple(self._writer.warnings)

    @abstractmethod
    def picture(self, frame: Frame, result: FrameResult) -> Pixels:
        """Return the picture for a frame.

        Returns:
            uint8 RGB (H, W, 3) of the sink's size, or a decoded picture that was drawn on; for
            codecs with transparency RGBA (H, W, 4), whose colours are not multiplied by alpha.
        """

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Draw the result and add it to the video.

        Raises:
            OutputError: the file cannot be written any further.
        """
        self._writer.write(self.picture(frame, result), frame.time)

    def close(self) -> None:
        """Finish the video; a second call does nothing.

        Raises:
            OutputError: the file cannot be finished.
        """
        self._writer.close()

    def abort(self) -> None:
        """Discard the video; does nothing once it is closed."""
        self._writer.abort()
