"""Which frames of a source are tracked."""

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from persam_video.errors import ConfigError
from persam_video.video import Frame, FrameStream
from persam_video.video.selection import Selection
from persam_video.video.source import SourceKind
from persam_video.video.stream import DecoderName

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrameRange(Selection):
    """The frames of a source that are tracked.

    Attributes:
        start: index of the first frame, to which an annotation without an index belongs.
        stop: index before which to stop, or ``None`` for the end of the source.
        stride: process every ``stride``-th frame.
        max_frames: stop after this many frames, or ``None``.
        duration: stop this many seconds of the source after the first frame, or ``None``.

    Raises:
        ConfigError: a value is out of range.
    """

    max_frames: int | None = None
    duration: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max frames is {self.max_frames}; give 1 or more")
        if self.duration is not None and not 0 < self.duration < math.inf:
            raise ConfigError(
                f"duration is {self.duration}; give seconds, more than 0, or leave it out for all"
            )

    def limit(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames until ``max_frames`` or ``duration`` is reached."""
        first: float | None = None
        for number, frame in enumerate(frames, start=1):
            first = frame.time if first is None else first
            if self.duration is not None and frame.time - first >= self.duration:
                return
            yield frame
            if number == self.max_frames:
                return


ALL_FRAMES = FrameRange()
"""Every frame of a source."""


def open_stream(
    source: str | Path | int, decoder: DecoderName, frames: Selection, live: bool | None = None
) -> FrameStream:
    """Open a source at the frames that are tracked.

    Args:
        source: video file, folder of images, glob, camera index or URL.
        decoder: pyav or decord.
        frames: which frames.
        live: drop frames that arrive while others are worked on; ``None`` does so for cameras and
            live streams.

    Raises:
        PersamVideoError: the source cannot be read or the range is empty.
    """
    stream = FrameStream(
        source,
        decoder=decoder,
        start=frames.start,
        stop=frames.stop,
        stride=frames.stride,
        live=live,
    )
    info = stream.info
    size, count = f"{info.width}x{info.height}", info.frame_count or "an unknown number of"
    decoded = f" decoded by {decoder}" if info.kind is SourceKind.FILE else ""
    _log.info("source %s: %s, %s frames%s", info.name, size, count, decoded)
    return stream


def expected_frames(stream: FrameStream, frames: FrameRange) -> int | None:
    """Return how many frames the source promises, or ``None`` if unknown."""
    counts = [stream.expected_frames, frames.max_frames]
    if frames.duration is not None and stream.info.fps:
        counts.append(max(1, round(frames.duration * stream.info.fps / frames.stride)))
    return min((count for count in counts if count is not None), default=None)
