"""Unusual videos whose grey level encodes the frame number, so that it survives lossy codecs."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eval.robust.case import NotHereError
from persam_video.util.machine import same_priority

FIRST, STEP = 16, 10  # grey levels: more between frames than the error of a codec
WHITE = 255


@dataclass(frozen=True)
class Recipe:
    """How a video is made.

    Attributes:
        name: file name; its suffix chooses the container.
        codec: FFmpeg's name of the encoder.
        pix_fmt: pixel format; the grey level survives all that are used here.
        size: width and height.
        frames: how many.
        fps: frame rate.
        options: of the encoder.
        container: options of the container.
        format: of the container, where the suffix does not tell.
        times_ms: presentation times, for a variable rate.
        moved: frames by which all timestamps are moved, also below zero.
        aspect: width of a pixel divided by its height.
        sound: name of an audio encoder, for silence as long as the video.
        companion: size of a second video stream, which shows nothing but white.
        edit: changes the finished file.
    """

    name: str
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    frames: int = 12
    fps: Fraction = Fraction(25)
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    times_ms: Sequence[int] | None = None
    moved: int = 0
    aspect: Fraction | None = None
    sound: str | None = None
    companion: tuple[int, int] | None = None
    edit: Callable[[bytes], bytes] | None = None

    def make(self, folder: Path) -> Path:
        """Write the video and return its path.

        Raises:
            NotHereError: this FFmpeg lacks an encoder.
        """
        path = folder / self.name
        with av.open(str(path), "w", format=self.format, options=dict(self.container)) as output:
            stream = _add_video(output, self)
            other = None
            if self.companion is not None:
                other = _add_video(output, replace(self, size=self.companion))
            sound = None
            if self.sound is not None:
                sound = cast(Any, output.add_stream(self.sound, rate=48000))
                sound.layout = "mono"
            for number in range(self.frames):
                self._encode(output, stream, picture(number, self.size), number)
                if other is not None and self.companion is not None:
                    width, height = self.companion
                    white = np.full((height, width, 3), WHITE, np.uint8)
                    self._encode(output, other, white, number)
            for track in filter(None, (stream, other)):
                if self.frames:
                    self._mux(output, track.encode(None))
            if sound is not None:
                for packet in _silence(sound, float(self.frames / self.fps) or 1.0):
                    output.mux(packet)
        if self.edit is not None:
            path.write_bytes(self.edit(path.read_bytes()))
        return path

    def times(self) -> list[float]:
        """Return when each frame is shown, in seconds after the first."""
        if self.times_ms is not None:
            return [(time - self.times_ms[0]) / 1000 for time in self.times_ms]
        return [float(number / self.fps) for number in range(self.frames)]

    def _encode(
        self, output: OutputContainer, stream: VideoStream, rgb: NDArray[np.uint8], number: int
    ) -> None:
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        if self.times_ms is not None:
            frame.pts, frame.time_base = self.times_ms[number], Fraction(1, 1000)
        with same_priority():
            packets = stream.encode(frame)
        self._mux(output, packets)

    def _mux(self, output: OutputContainer, packets: "Iterable[Packet[Any]]") -> None:
        for packet in packets:
            if self.moved and packet.time_base:
                moved = round(self.moved / self.fps / packet.time_base)
                packet.pts = (packet.pts or 0) + moved
                packet.dts = (packet.dts or 0) + moved
            output.mux(packet)


def picture(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a grey RGB picture that shows ``number`` and whose top left quarter is white."""
    width, height = size
    rgb = np.full((height, width, 3), FIRST + STEP * number, np.uint8)
    rgb[: height // 2, : width // 2] = WHITE
    return rgb


def number_shown(rgb: NDArray[np.uint8]) -> int:
    """Return the number that a picture shows, whatever its rotation."""
    return round((float(np.median(rgb)) - FIRST) / STEP)


def white_corner(rgb: NDArray[np.uint8]) -> tuple[bool, bool]:
    """Return whether the white quarter is at the bottom, and whether it is at the right."""
    height, width = rgb.shape[:2]
    quarters = {
        (bottom, right): float(
            rgb[
                slice(height // 2, None) if bottom else slice(height // 2),
                slice(width // 2, None) if right else slice(width // 2),
            ].mean()
        )
        for bottom in (False, True)
        for right in (False, True)
    }
    return max(quarters, key=lambda corner: quarters[corner])


def turned(degrees: int) -> Callable[[bytes], bytes]:
    """Return an edit that tags an MP4 as rotated clockwise."""
    one = 1 << 16
    a, b, c, d = {
        90: (0, one, -one, 0),
        180: (-one, 0, 0, -one),
        270: (0, -one, one, 0),
    }[degrees]

    def edit(data: bytes) -> bytes:
        at = data.index(b"tkhd") + 44  # of version 0, after 40 bytes of other fields
        matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        return data[:at] + matrix + data[at + 36 :]

    return edit


def begins_later(frames: int, fps: int) -> Callable[[bytes], bytes]:
    """Return an edit whose edit list skips the first frames of an MP4."""

    def edit(data: bytes) -> bytes:
        ticks = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)[0]
        at = data.index(b"elst") + 16  # version, number of entries, duration of the first
        began = struct.unpack_from(">i", data, at)[0]
        later = began + frames * ticks // fps
        return data[:at] + struct.pack(">i", later) + data[at + 4 :]

    return edit


def cut(share: float) -> Callable[[bytes], bytes]:
    """Return an edit that keeps the beginning of a file."""
    return lambda data: data[: int(len(data) * share)]


def flipped(seed: int, count: int = 40) -> Callable[[bytes], bytes]:
    """Return an edit that changes some bytes in the middle half of a file."""

    def edit(data: bytes) -> bytes:
        rng = np.random.default_rng(seed)
        changed = bytearray(data)
        for place in rng.integers(len(data) // 4, 3 * len(data) // 4, count):
            changed[place] ^= int(rng.integers(1, 256))
        return bytes(changed)

    return edit


def _add_video(output: OutputContainer, recipe: Recipe) -> VideoStream:
    try:
        av.Codec(recipe.codec, "w")
    except ValueError as error:
        raise NotHereError(f"this FFmpeg has no encoder {recipe.codec}") from error
    stream = cast(
        VideoStream,
        output.add_stream(recipe.codec, rate=recipe.fps, options=dict(recipe.options)),
    )
    stream.width, stream.height = recipe.size
    stream.pix_fmt = recipe.pix_fmt
    if recipe.aspect is not None:
        stream.codec_context.sample_aspect_ratio = recipe.aspect
    if recipe.times_ms is not None:
        stream.codec_context.time_base = Fraction(1, 1000)
    return stream


def _silence(stream: Any, seconds: float) -> "Iterator[Packet[Any]]":
    size = 1024
    for begin in range(0, round(seconds * 48000), size):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, size), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, begin, Fraction(1, 48000)
        yield from stream.encode(frame)
    with suppress(av.EOFError):
        yield from stream.encode(None)
