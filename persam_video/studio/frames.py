"""Random access to the frames of a source."""

import threading
from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from persam_video.errors import SourceError
from persam_video.video import Frame, FrameStream, SourceInfo
from persam_video.video.seek_index import SeekPoint, frame_times
from persam_video.video.source import SourceKind, locate

CACHE_BYTES = 192 * 2**20
"""Decoded frames that a reader caches."""

_BACK = 12
"""Frames decoded before the requested one when stepping backwards, as the next steps need them."""

_NEAR = 48
"""Frames this close ahead are reached by reading on, without looking for a keyframe."""


_INDEXED = frozenset({".m4v", ".mov", ".mp4"})
"""Suffixes of containers whose index tells whether the rate varies; others have to be read."""

_EVEN = 0.0025
"""Seconds by which steps differ where times are rounded to milliseconds."""


class FrameReader:
    """Returns frames by index, identical to those that reading the source in order gives.

    A request soon after the last one reads on. Any other starts at the keyframe before the frame
    if seeking is known to be exact, else at the beginning of the source, as ``FrameStream`` does.
    Recently used frames are cached. Thread-safe.

    Attributes:
        source: the source.
        info: its properties.
    """

    def __init__(self, source: str | Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        """Open a source and decode its first frame.

        Args:
            source: a video file, a folder of images, or a glob.
            cache_bytes: size of the cache in bytes; the latest frame is always kept.

        Raises:
            SourceError: the source cannot be read, or is live.
        """
        self.source = source
        self._cache_bytes = cache_bytes
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, Frame] = OrderedDict()
        self._bytes = 0
        self._stream: FrameStream | None = FrameStream(source, prefetch=0)
        self._next = 0
        self.info: SourceInfo = self._stream.info
        if self.info.live:
            self._stream.close()
            raise SourceError(
                f"{self.info.name} is live, so that its frames cannot be revisited: record it first"
            )
        self._times: list[float] | None = None  # none where evenly spaced
        self._times_lock = threading.Lock()
        self._count = self.info.frame_count or _count(source)

    @property
    def frame_count(self) -> int:
        """Number of frames: as the source claims, corrected once its end is reached."""
        return self._count

    def get(self, index: int) -> Frame:
        """Return a frame; its picture is shared and must not be modified.

        Raises:
            SourceError: there is no such frame, or it cannot be decoded.
        """
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
            if not 0 <= index < self._count:
                raise self._missing(index)
            return self._read(index)

    def times(self) -> list[float] | None:
        """Return when each frame is shown, in seconds, where the rate varies.

        Returns:
            The times in order; ``None`` at a constant rate, and where only decoding would tell.

        Raises:
            SourceError: the source cannot be opened.
        """
        path = self.info.path
        if self.info.kind is not SourceKind.FILE or path is None:
            return None
        if path.suffix.lower() in _INDEXED and not self.info.variable_frame_rate:
            return None
        with self._times_lock:
            if self._times is None:
                self._times = _uneven(frame_times(locate(self.source)) or [])
        return self._times or None

    def saw(self, index: int) -> None:
        """Note that a frame exists, after someone else has read it."""
        self._count = max(self._count, index + 1)

    def ends_after(self, index: int) -> None:
        """Note the last frame, after someone else has reached it."""
        self._count = index + 1

    def close(self) -> None:
        """Close the source and free the frames; a second call does nothing."""
        with self._lock:
            self._forget_stream()
            self._cache.clear()
            self._bytes = 0

    def _read(self, index: int) -> Frame:
        stream = self._stream_before(index)
        try:
            for frame in stream:
                self._next = frame.index + 1
                if frame.index > index - _BACK:
                    self._keep(frame)
                if frame.index >= index:
                    break
        except SourceError:
            self._forget_stream()
            raise
        if index not in self._cache:
            self._count = min(self._count, max(self._next, 1))
            self._forget_stream()
            raise self._missing(index)
        return self._cache[index]

    def _stream_before(self, index: int) -> FrameStream:
        """Return a stream whose next frame is the requested one or an earlier one."""
        ahead = index - self._next
        if self._stream is not None and ahead >= 0 and (ahead < _NEAR or self._goes_on(index)):
            return self._stream
        start = max(0, index - _BACK + 1) if -_NEAR < ahead < 0 else index
        self._forget_stream()
        self._stream, self._next = FrameStream(self.source, start=start, prefetch=0), start
        return self._stream

    def _goes_on(self, index: int) -> bool:
        """Whether reading on is less work than seeking: no keyframe lies between."""
        if self.info.kind is not SourceKind.FILE:
            return False
        point = SeekPoint.before(locate(self.source), index)
        return point is None or len(point.skipped) <= self._next

    def _keep(self, frame: Frame) -> None:
        if frame.index in self._cache:
            return
        # in RGB, as a picture that is converted later would be kept as well
        self._cache[frame.index] = replace(frame, pixels=frame.rgb)
        self._bytes += frame.rgb.nbytes
        while self._bytes > self._cache_bytes and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._bytes -= oldest.rgb.nbytes

    def _forget_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _missing(self, index: int) -> SourceError:
        return SourceError(
            f"{self.info.name} has no frame {index}; it has {self._count}, 0 to {self._count - 1}"
        )


def _uneven(times: list[float]) -> list[float]:
    """Return times, none where they are evenly spaced as far as a container can tell."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    return times if steps and max(steps) - min(steps) > _EVEN else []


def _count(source: str | Path) -> int:
    """Count the frames of a source that does not say how many it has, by decoding them."""
    with FrameStream(source) as stream:
        return sum(1 for _ in stream)
