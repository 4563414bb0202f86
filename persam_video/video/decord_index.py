"""Whether decord reads a file faithfully, and when the frames of such a file are shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from persam_video.errors import SourceError
from persam_video.video.container import open_container, reason, video_stream
from persam_video.video.source import Location

USE_PYAV = "read it with the pyav decoder"

# Containers with timestamps and an index, in which decord finds the frame it seeks.
_CONTAINERS = frozenset({"flv", "gif", "matroska", "mov", "mp4", "webm"})


@dataclass(frozen=True)
class DecordIndex:
    """The frames of a file as its packets announce them, without decoding.

    Attributes:
        timestamps: one per frame, in the order of presentation.
        time_base: seconds per unit of the timestamps.
        last_duration: seconds for which the last frame is shown.
    """

    timestamps: list[int]
    time_base: Fraction
    last_duration: float

    @classmethod
    def of(cls, location: Location) -> "DecordIndex":
        """Read through a file.

        Raises:
            SourceError: decord would not find the frames of this file where it looks for them.
        """
        container = open_container(location)
        try:
            stream = video_stream(container, location.name)
            packets = list(_packets(container, stream, location.name))
            time_base = stream.time_base or Fraction(1, 1000)
        finally:
            container.close()
        _require_exact_keyframes(packets, location.name)
        packets.sort()
        return cls(
            timestamps=[packet.timestamp for packet in packets],
            time_base=time_base,
            last_duration=float(packets[-1].duration * time_base),
        )


class _Packet(NamedTuple):
    """A packet without its contents, so that all of them fit into memory."""

    timestamp: int
    duration: int
    is_keyframe: bool


def _packets(container: InputContainer, stream: VideoStream, name: str) -> Iterator[_Packet]:
    if not _CONTAINERS & set(container.format.name.split(",")):
        raise SourceError(f"{name}: decord loses frames in {container.format.name}; {USE_PYAV}")
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None or packet.is_corrupt or packet.is_discard:
                raise SourceError(
                    f"{name}: has packets that are damaged, cut out or without a timestamp, "
                    f"which decord miscounts; {USE_PYAV}"
                )
            yield _Packet(packet.pts, packet.duration or 0, packet.is_keyframe)
    except av.FFmpegError as error:
        problem = f"cannot be read to its end ({reason(error)})"
        raise SourceError(f"{name}: {problem}; {USE_PYAV}") from error


def _require_exact_keyframes(packets: list[_Packet], name: str) -> None:
    # A keyframe is exact to seek to when all frames before it in the file are also shown before
    # it, and all after it after it. Open groups of pictures do not have such keyframes.
    timestamps = [packet.timestamp for packet in packets]
    latest_so_far = accumulate(timestamps, max)
    earliest_to_come = list(accumulate(reversed(timestamps), min))[::-1]
    for packet, before, after in zip(packets, latest_so_far, earliest_to_come, strict=True):
        if packet.is_keyframe and not before == packet.timestamp == after:
            problem = "has open groups of pictures, in which decord loses its place"
            raise SourceError(f"{name}: {problem}; {USE_PYAV}")
