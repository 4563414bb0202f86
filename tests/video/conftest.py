"""Videos whose grey level is the frame number, so that order survives a lossy codec."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

STEP = 8  # grey levels between frames: more than the error of a codec, and room for 31 frames


@dataclass(frozen=True)
class Recipe:
    """How to encode a test video.

    Attributes:
        times_ms: presentation times, for a variable frame rate.
        moved_frames: frames by which all timestamps are moved, also below zero.
        sound: name of an audio codec, for a tone as long as the video.
    """

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (64, 48)
    fps: Fraction = Fraction(25)
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    times_ms: Sequence[int] | None = None
    moved_frames: int = 0
    sound: str | None = None
    sound_rate: int = 44100


class Clips:
    """Makes test videos in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    recipe = Recipe

    @staticmethod
    def picture(number: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
        """Return a grey RGB picture that shows ``number``, at most 30."""
        width, height = size
        return np.full((height, width, 3), 8 + STEP * number, np.uint8)

    @staticmethod
    def number(rgb: NDArray[np.uint8]) -> int:
        """Return the number that a decoded picture shows."""
        return round((float(rgb.mean()) - 8) / STEP)

    def numbers(self, frames: Iterable) -> list[int]:
        """Return the numbers that decoded frames show."""
        return [self.number(frame.rgb) for frame in frames]

    def make(self, name: str, frames: int = 30, **recipe: object) -> Path:
        """Encode a numbered video."""
        settings = Recipe(**recipe)
        pictures = (self.picture(number, settings.size) for number in range(frames))
        return self.encode(name, pictures, settings)

    def encode(self, name: str, pictures: Iterable[NDArray[np.uint8]], recipe: Recipe) -> Path:
        """Encode any pictures."""
        try:
            av.Codec(recipe.codec, "w")
        except ValueError:
            pytest.skip(f"this FFmpeg has no encoder {recipe.codec}")
        path = self.folder / name
        options = dict(recipe.container_options)
        with av.open(str(path), "w", format=recipe.format, options=options) as output:
            stream = output.add_stream(recipe.codec, rate=recipe.fps, options=dict(recipe.options))
            stream.width, stream.height = recipe.size
            stream.pix_fmt = recipe.pix_fmt
            if recipe.times_ms is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            sound = (
                output.add_stream(recipe.sound, rate=recipe.sound_rate) if recipe.sound else None
            )
            if sound is not None:
                sound.layout = "mono"
            number = -1
            for number, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                if recipe.times_ms is not None:
                    frame.pts, frame.time_base = recipe.times_ms[number], Fraction(1, 1000)
                self._mux(output, stream.encode(frame), recipe)
            self._mux(output, stream.encode(None), recipe)
            if sound is not None:
                seconds = (number + 1) / recipe.fps
                for frame in tone(seconds, recipe.sound_rate):
                    self._mux(output, sound.encode(frame), recipe)
                self._mux(output, sound.encode(None), recipe)
        return path

    def sound(self, name: str, seconds: int = 1) -> Path:
        """Encode a tone without pictures."""
        path = self.folder / name
        with av.open(str(path), "w") as output:
            stream = output.add_stream("aac", rate=44100)
            stream.layout = "mono"
            for frame in tone(Fraction(seconds)):
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    @staticmethod
    def _mux(output, packets: Iterable[av.Packet], recipe: Recipe) -> None:
        for packet in packets:
            moved = round(recipe.moved_frames / recipe.fps / packet.time_base)
            packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
            output.mux(packet)


def tone(seconds: Fraction, rate: int = 44100) -> Iterable[av.AudioFrame]:
    """Give a tone of 440 Hz with a click amid every second."""
    for begin in range(0, round(seconds * rate), 1024):
        at = np.arange(begin, begin + 1024) / rate
        wave = 0.2 * np.sin(2 * np.pi * 440 * at) + 0.7 * (np.abs(at % 1 - 0.5) < 0.003)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[np.newaxis], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        yield frame


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    """Give a maker of test videos."""
    return Clips(tmp_path)


@pytest.fixture
def corners() -> NDArray[np.uint8]:
    """Give a picture of 192x128 whose quarters are black, red, green and blue, row by row."""
    rgb = np.zeros((128, 192, 3), np.uint8)
    rgb[:64, 96:, 0] = rgb[64:, :96, 1] = rgb[64:, 96:, 2] = 255
    return rgb


@pytest.fixture
def running() -> Callable[[], list[threading.Thread]]:
    """List the threads that decode ahead; what other tests left running does not count."""
    before = threading.enumerate()

    def threads() -> list[threading.Thread]:
        started = [thread for thread in threading.enumerate() if thread not in before]
        return [thread for thread in started if thread.name == "frame-prefetch"]

    return threads
