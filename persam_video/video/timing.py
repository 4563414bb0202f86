"""Presentation times of the frames of a video."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from av.container import InputContainer
from av.video.stream import VideoStream

if TYPE_CHECKING:
    from av.index import IndexEntry

_GIF_END = b"\0;"
"""The terminator of the last block and the trailer; see the specification of GIF89a, 27."""

_GIF_TAIL = 1024
"""Bytes at the end that may hold them: some programs pad their files with zeros."""

_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True)
class Timing:
    """A container's claims about the times and the number of its frames.

    Attributes:
        fps: frames per second, nominal or average, or ``None``.
        variable: whether index or rates show that frames are not evenly spaced.
        duration: seconds, or ``None``.
        start: seconds at which the container places the first frame.
        counted: number of frames that the container counted, or ``None``.
        edited: whether an edit list may leave out some of the frames counted; the duration, then,
            is that of the others.
        cut_off: whether a GIF, which tells no number of frames, lacks its end.
    """

    fps: Fraction | None
    variable: bool
    duration: float | None
    start: float
    counted: int | None
    edited: bool
    cut_off: bool

    @classmethod
    def of(cls, container: InputContainer, stream: VideoStream, path: Path | None) -> "Timing":
        """Read the claims of a stream's header and index, and look at the end of a GIF's file."""
        nominal, average = stream.guessed_rate or None, stream.average_rate or None
        duration = _duration(container, stream)
        variable = False
        # Without a duration, the average is FFmpeg's default and says nothing.
        if nominal and average and duration:
            # Interlaced streams may give fields per second as their nominal rate.
            if _close(nominal, 2 * average):
                nominal = average
            variable = not _evenly_indexed(stream, otherwise=_close(nominal, average))
        return cls(
            fps=average if variable else nominal or average,
            variable=variable,
            duration=duration,
            start=float((stream.start_time or 0) * (stream.time_base or 0)),
            counted=_counted(stream),
            edited="mov" in container.format.name,
            cut_off=container.format.name == "gif" and path is not None and _lacks_end(path),
        )

    @property
    def frame_count(self) -> int | None:
        """The number of frames counted, or expected from duration and rate; the lesser of both.

        An edit list may leave out frames that a file holds and counts.
        """
        if self.duration is None or self.fps is None or self.variable:
            return self.counted
        expected = round(self.duration * self.fps)
        return expected if self.counted is None else min(self.counted, expected)

    def shortfall(self, decoded: int, discarded: int, end: float) -> str | None:
        """Describe how a finished stream fell short of its claims, or return ``None``.

        Args:
            decoded: number of frames that came out.
            discarded: number of frames that the container itself marks as not to be shown.
            end: when the last frame goes, in seconds after the first came.
        """
        if self.cut_off:
            # FFmpeg gives a part of the last picture as if it were whole
            return "the file is cut off, so that frames are missing or incomplete"
        # Durations are rounded, and some containers count them from 0, not from the first frame.
        slack = max(self.start, 0.0) + 0.75 / (self.fps or 25)
        stops_short = self.duration is not None and self.duration > end + slack
        if self.counted is not None:
            missing = self.counted > decoded + discarded and (stops_short or not self.edited)
            return f"ended early, after {decoded} of {self.counted} frames" if missing else None
        seconds = f"{end:.2f} of {self.duration or 0:.2f} seconds"
        return f"ended early, after {seconds}" if stops_short else None


def _lacks_end(gif: Path) -> bool:
    if not gif.is_file():  # a pipe is read only once
        return False
    with gif.open("rb") as file:
        file.seek(max(0, gif.stat().st_size - _GIF_TAIL))
        return not file.read().rstrip(b"\0").endswith(_GIF_END)


class FrameClock:
    """Converts presentation timestamps to seconds that start at 0 and always increase."""

    def __init__(self, time_base: Fraction, fps: Fraction | None) -> None:
        self._time_base = time_base
        self._step = 1 / (fps or Fraction(25))
        self._first: int | None = None
        self._last = -self._step
        self.repaired = 0

    def time_of(self, timestamp: int | None) -> float:
        """Return the time of the next frame.

        A timestamp that is missing, or is not after the one before, is replaced by the time one
        frame after the one before, and counted in ``repaired``.
        """
        if timestamp is not None and self._first is None:
            # Frames before the first timestamp were spaced evenly from 0.
            self._first = timestamp - round((self._last + self._step) / self._time_base)
        if timestamp is None or self._first is None:
            time = self._last + self._step
        else:
            time = (timestamp - self._first) * self._time_base
        if time <= self._last:
            time = self._last + self._step
            self.repaired += 1
        self._last = time
        return float(time)


def _counted(stream: VideoStream) -> int | None:
    counted = stream.frames or _tag(stream, "NUMBER_OF_FRAMES")
    return int(counted) if str(counted).isdecimal() and int(counted) else None


def _evenly_indexed(stream: VideoStream, otherwise: bool) -> bool:
    # Older versions of PyAV do not show the index.
    entries: Sequence[IndexEntry] = getattr(stream, "index_entries", ())
    times = [entry.timestamp for entry in entries]
    if not stream.frames or len(times) < max(3, stream.frames // 2):
        return otherwise  # no index, or one of keyframes only
    steps = [later - earlier for earlier, later in pairwise(times)]
    return (max(steps) - min(steps)) * (stream.time_base or 0) <= Fraction(1, 1000)


def _close(a: Fraction, b: Fraction) -> bool:
    return abs(a / b - 1) < Fraction(1, 10_000)


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska keeps the length of a single stream in a tag, and FFmpeg hands that on as it is.
    if match := _CLOCK.fullmatch(_tag(stream, "DURATION")):
        hours, minutes, seconds = match.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds) or None
    return container.duration / 1_000_000 if container.duration else None


def _tag(stream: VideoStream, key: str) -> str:
    # Some writers add the language of the tag to its name.
    return next((v for k, v in stream.metadata.items() if k in (key, f"{key}-eng")), "")
