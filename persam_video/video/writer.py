"""Writing videos that play anywhere."""

import os
from contextlib import nullcontext, suppress
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from persam_video.errors import ConfigError, OutputError
from persam_video.util.atomic import discard, output_error, unfinished, writing
from persam_video.util.machine import same_priority
from persam_video.video.audio import AudioTrack
from persam_video.video.formats import (
    CODECS,
    CONTAINERS,
    ColourTags,
    VideoCodec,
    VideoContainer,
    has_encoder,
)
from persam_video.video.picture import Pixels, rgb_of
from persam_video.video.rgb import YuvConverter
from persam_video.video.yuv_picture import YuvPicture

_TICKS = 90_000  # least number of ticks per second, as in MPEG
_MOST_TICKS = 1_000_000  # beyond, encoders and players run into the limits of their integers
_TOO_FEW_TO_REORDER = 2  # frames, which are stored in the order in which they are shown
_SNAP = Fraction(51, 100_000)  # seconds; Matroska and others round times to milliseconds


class FrameTimer:
    """Assigns presentation timestamps to frames, on and off the nominal frame rate.

    The unit of time divides the frame duration, so that a constant rate is kept exactly. Times
    that are on the grid of the frame rate but for rounding are put back on it; all others are
    kept as they are. Timestamps always grow.

    Attributes:
        unit: seconds per tick.
        step: ticks per frame at the frame rate.
        origin: time of the first frame, which becomes 0.
    """

    def __init__(self, fps: Fraction) -> None:
        per_second = _TICKS
        if fps.numerator <= _MOST_TICKS:
            per_second = fps.numerator * ceil(_TICKS / fps.numerator)
        self._fps = fps
        self.unit = Fraction(1, per_second)
        self.step = per_second / fps
        self.origin: Fraction | None = None
        self._last = -1

    def timestamp(self, time: float | None) -> int:
        """Return the timestamp in ticks of the next frame, shown at ``time`` seconds.

        Without a time, it is shown one frame after the one before.
        """
        if self.origin is None:
            self.origin = self._placed(time or 0.0)
        if time is not None:
            tick = round((self._placed(time) - self.origin) / self.unit)
        else:
            tick = 0 if self._last < 0 else self._last + round(self.step)
        self._last = max(tick, self._last + 1)
        return self._last

    def _placed(self, time: float) -> Fraction:
        exact = Fraction(time)
        on_grid = round(exact * self._fps) / self._fps
        return on_grid if abs(exact - on_grid) <= _SNAP else exact


class VideoWriter:
    """Writes frames to a video file that appears, whole, when the writer is closed.

    H.264 is written as yuv420p with the index in front, which is what browsers play. Such video
    has an even width and height, so to frames of odd size the last column or row is added once
    more. Colours are limited-range BT.709 from 720 rows on and BT.601 below, and tagged as such.

    Frames go to a hidden file beside ``path``. ``close``, and leaving the ``with`` block without
    an error, finishes it and moves it to ``path``; ``abort``, and an error, removes it. Without a
    frame no file appears.

    Examples:
        >>> with VideoWriter("out.mp4", size=(640, 360), fps=Fraction(25)) as video:
        ...     for frame in frames:
        ...         video.write(frame.rgb, frame.time)  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: tuple[int, int],
        fps: Fraction,
        codec: str = "h264",
        crf: int | None = None,
        audio_from: Path | None = None,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        """Prepare to write.

        Args:
            path: file to write: ``.mp4``, ``.mov``, ``.mkv`` or ``.webm``.
            size: (width, height) of the frames in pixels.
            fps: frames per second, kept exactly.
            codec: a name in ``formats.CODECS``.
            crf: constant quality, from 0 (best) to 51 for H.264 and HEVC and to 63 for AV1 and
                VP9; the codec's default when not given.
            audio_from: a file whose main sound is added, in step with the times given to
                ``write``; without sound in it, none is added.
            pixel_aspect: width of a pixel divided by its height. Where codec and container cannot
                tell it, frames are stretched to square pixels.

        Raises:
            OutputError: the video cannot be written there, or not with this codec.
            ConfigError: a setting is out of range.
            SourceError: ``audio_from`` cannot be opened.
        """
        self.path = Path(path)
        self.warnings: list[str] = []
        settings, container = video_form(self.path, codec, crf, fps)
        self._channels = 4 if settings.alpha else 3
        self._pixel_format = settings.pixel_format
        self._size = size
        if not (settings.keeps_aspect or container.keeps_aspect):
            size, pixel_aspect = square_size(size, pixel_aspect), Fraction(1)
        self._width, self._height = size
        self._partial = _claim(self.path)
        self._timer = FrameTimer(fps)
        even = settings.even_size
        self._coded_size = (size[0] + (even and size[0] % 2), size[1] + (even and size[1] % 2))
        self._colours = ColourTags.for_height(self._height)
        self._to_yuv = YuvConverter(
            *self._coded_size, settings.pixel_format, self._colours, alpha=settings.alpha
        )
        self._pixel_aspect = pixel_aspect
        self._frames = 0
        self._end = Fraction(0)
        self._open = True
        try:
            self._output = av.open(
                f"file:{self._partial}",
                mode="w",
                format=container.format,
                options=dict(container.options),
            )
            self._stream = self._add_stream(settings, fps, crf)
            self._audio = (
                None
                if audio_from is None
                else AudioTrack.open(Path(audio_from), self._output, container)
            )
        except BaseException:
            discard(self._partial)
            raise

    def write(self, pixels: Pixels, time: float | None = None) -> None:
        """Add a frame.

        Args:
            pixels: uint8 RGB array of shape (H, W, 3) and the writer's size; for codecs with
                transparency RGBA of shape (H, W, 4), whose colours are not multiplied by alpha; or
                the picture of a decoded frame.
            time: when it is shown, in seconds; the first frame's time becomes 0, and also cuts
                the sound. ``None``: one frame after the one before, at the frame rate.

        Raises:
            OutputError: the file cannot be written any further.
            ValueError: the frame has another size, or the writer is closed.
        """
        if not self._open:
            raise ValueError("the video writer is closed")
        frame = self._convert(pixels)
        frame.pts = self._timer.timestamp(time)
        frame.time_base = self._timer.unit
        frame.duration = round(self._timer.step)
        self._end = (frame.pts + self._timer.step) * self._timer.unit
        try:
            if self._audio is not None:
                if not self._frames:
                    self._audio.start_at(float(self._timer.origin or 0))
                self._audio.advance(float(self._end))
            with nullcontext() if self._frames else same_priority():  # the first starts the encoder
                packets = self._stream.encode(frame)
            self._output.mux(packets)
        except av.FFmpegError as error:
            self.abort()
            raise self._failure(error) from error
        self._frames += 1

    def close(self) -> None:
        """Finish the file and move it to its place; a second call does nothing.

        Raises:
            OutputError: the file cannot be finished.
        """
        if not self._open:
            return
        if not self._frames:
            self.abort()
            return
        try:
            packets = self._stream.encode(None)
            if self._frames <= _TOO_FEW_TO_REORDER:
                for packet in packets:
                    packet.dts = packet.pts  # x265 leaves them undefined in so short a video
            self._output.mux(packets)
            if self._audio is not None:
                self._audio.finish(float(self._end))
                self.warnings += self._audio.warnings
            self._output.close()
            self._partial.replace(self.path)
        except (av.FFmpegError, OSError) as error:
            self.abort()
            raise self._failure(error) from error
        self._open = False

    def abort(self) -> None:
        """Drop everything written so far; does nothing once the writer is closed."""
        if not self._open:
            return
        self._open = False
        if self._audio is not None:
            self._audio.close()
        with suppress(av.FFmpegError, OSError):
            self._output.close()
        discard(self._partial)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        if exc_type is None:
            self.close()
        else:
            self.abort()

    def _add_stream(self, settings: VideoCodec, fps: Fraction, crf: int | None) -> VideoStream:
        options = settings.options_for(*self._coded_size)
        if settings.quality is not None:
            value = settings.quality.default if crf is None else crf
            options[settings.quality.option] = str(value)
        if settings.encoder == "libsvtav1":
            # the library writes a page of facts to standard error, which no option of FFmpeg stops
            os.environ.setdefault("SVT_LOG", "1")
        stream = cast(
            VideoStream, self._output.add_stream(settings.encoder, rate=fps, options=options)
        )
        context = stream.codec_context
        context.width, context.height = self._coded_size
        context.pix_fmt = settings.pixel_format
        if settings.tag is not None and self.path.suffix.lower() in (".mp4", ".mov"):
            context.codec_tag = settings.tag
        context.time_base = self._timer.unit
        context.sample_aspect_ratio = self._pixel_aspect
        context.color_range = ColorRange.MPEG
        context.colorspace = self._colours.tag
        context.color_primaries = self._colours.tag
        context.color_trc = self._colours.tag
        return stream

    def _convert(self, pixels: Pixels) -> VideoFrame:
        if isinstance(pixels, YuvPicture) and self._takes(pixels):
            return pixels.copy()
        rgb = rgb_of(pixels)
        expected = (self._size[1], self._size[0], self._channels)
        if rgb.shape != expected or rgb.dtype != np.uint8:
            raise ValueError(
                f"got a {rgb.dtype} frame of shape {rgb.shape}; expected uint8 of shape {expected}"
            )
        if self._size != (self._width, self._height):
            stretched = cv2.resize(rgb, (self._width, self._height), interpolation=cv2.INTER_LINEAR)
            rgb = np.asarray(stretched, np.uint8)
        if self._coded_size != (self._width, self._height):
            rgb = np.pad(rgb, ((0, self._height % 2), (0, self._width % 2), (0, 0)), mode="edge")
        return self._to_yuv(rgb)

    def _takes(self, picture: YuvPicture) -> bool:
        """Whether a picture can be encoded as it is: such a one has the colours of its height."""
        sizes = {picture.size[::-1], self._size, (self._width, self._height), self._coded_size}
        return self._pixel_format == picture.pixel_format and len(sizes) == 1

    def _failure(self, error: av.FFmpegError | OSError) -> OutputError:
        return output_error(self.path, OSError(error.errno or 0, error.strerror or str(error)))


def video_form(
    path: Path, codec: str, crf: int | None, fps: Fraction
) -> tuple[VideoCodec, VideoContainer]:
    """Return how to write a video with these settings.

    Raises:
        ConfigError: a setting is unknown or out of range.
        OutputError: the container cannot hold the codec, or the installed FFmpeg lacks it.
    """
    if codec not in CODECS:
        raise ConfigError(f"video codec {codec!r} is unknown; choose one of {', '.join(CODECS)}")
    settings = CODECS[codec]
    suffix = path.suffix.lower()
    if suffix not in settings.suffixes:
        known = ", ".join(settings.suffixes)
        raise OutputError(f"{path}: {codec} cannot be written to {suffix!r} files; use {known}")
    if not has_encoder(settings.encoder):
        usable = ", ".join(name for name, codec in CODECS.items() if has_encoder(codec.encoder))
        raise OutputError(
            f"{path}: the installed FFmpeg lacks {settings.encoder}, which {codec} needs; "
            f"reinstall av, or use {usable}"
        )
    if crf is not None and settings.quality is None:
        raise ConfigError(f"{codec} has only one quality; drop crf")
    if crf is not None and settings.quality and not 0 <= crf <= settings.quality.greatest:
        raise ConfigError(f"crf is {crf}; give a number from 0 to {settings.quality.greatest}")
    if fps <= 0:
        raise ConfigError(f"the frame rate is {fps}; give a positive number")
    return settings, CONTAINERS[suffix]


def square_size(size: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """Return the (width, height) in square pixels of a picture with another pixel aspect."""
    width, height = size
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def _claim(path: Path) -> Path:
    """Create the hidden file beside ``path`` that is written first, and return its path."""
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a video file")
    partial = unfinished(path)
    with writing(path):
        partial.write_bytes(b"")
    return partial
