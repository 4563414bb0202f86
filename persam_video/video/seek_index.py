"""Finding the points to which a video file can be sought, from packets alone.

A seek is exact when decoding from a keyframe on gives the frames that decoding from the beginning
gives. What a container flags as a keyframe is not always one: leading pictures of an open group are
shown before it, and a periodic intra refresh has no whole picture at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet as AVPacket
from av.video.stream import VideoStream

from persam_video.video.container import open_container, reason, video_stream
from persam_video.video.source import Location

# Containers with timestamps and an index, in which the frame that is sought is found.
_CONTAINERS = frozenset({"flv", "gif", "matroska", "mov", "mp4", "webm"})

# Codecs of which every packet is one frame that is shown; VP8, for one, has hidden ones.
_CODECS = frozenset({"av1", "h264", "hevc", "mjpeg", "prores", "vp9"})

# Of the codecs that come in NAL units: the types of those with which decoding may begin
# (instantaneous refresh; in HEVC also broken links and clean random access), and the byte of the
# configuration record that holds the size of their lengths.
_REFRESHES = {"h264": range(5, 6), "hevc": range(16, 22)}
_LENGTH_SIZE_AT = {"h264": 4, "hevc": 21}


_Taken = TypeVar("_Taken")


class InexactSeekError(ValueError):
    """Describes, as a predicate, why seeks in a file are not exact."""


class Packet(NamedTuple):
    """A packet without its payload, so that all packets fit into memory.

    Attributes:
        timestamp: timestamp of its frame.
        duration: duration of its frame.
        is_keyframe: whether the container flags it as a keyframe.
        is_refresh: whether no picture after it depends on one before it.
    """

    timestamp: int
    duration: int
    is_keyframe: bool
    is_refresh: bool


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """Read the packets of a video in the order of the file.

    Raises:
        InexactSeekError: frames cannot be told from packets.
    """
    if not _CONTAINERS & set(container.format.name.split(",")):
        raise InexactSeekError(f"is {container.format.name}, which has no index of its frames")
    try:
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.pts is None or packet.is_corrupt or packet.is_discard:
                raise InexactSeekError(
                    "has packets that are damaged, missing or without a timestamp"
                )
            is_refresh = packet.is_keyframe and _is_refresh(packet, stream)
            yield Packet(packet.pts, packet.duration or 0, packet.is_keyframe, is_refresh)
    except av.FFmpegError as error:
        raise InexactSeekError(f"cannot be read to its end ({reason(error)})") from error


def exact_keyframes(packets: list[Packet]) -> list[bool]:
    """Return for each packet whether it is an exact keyframe to seek to.

    All earlier packets are shown before such a keyframe, and all later ones after it.
    """
    timestamps = [packet.timestamp for packet in packets]
    latest_so_far = accumulate(timestamps, max)
    earliest_to_come = list(accumulate(reversed(timestamps), min))[::-1]
    return [
        packet.is_refresh and before == packet.timestamp == after
        for packet, before, after in zip(packets, latest_so_far, earliest_to_come, strict=True)
    ]


def frame_times(location: Location) -> list[float] | None:
    """Return when each frame of a file is shown, in seconds after the first one.

    The file is read, but not decoded.

    Args:
        location: a file.

    Returns:
        The times in order; ``None`` where frames cannot be told from packets.

    Raises:
        SourceError: the file cannot be opened.
    """

    def times(container: InputContainer, stream: VideoStream) -> list[float]:
        shown = sorted(packet.timestamp for packet in read_packets(container, stream))
        unit = stream.time_base or Fraction(1, 1000)
        return [float((timestamp - shown[0]) * unit) for timestamp in shown]

    return _from_packets(location, times)


def _from_packets(
    location: Location, take: Callable[[InputContainer, VideoStream], _Taken]
) -> _Taken | None:
    """Open a file and take what its packets tell; ``None`` where they do not tell its frames.

    Raises:
        SourceError: the file cannot be opened.
    """
    container = open_container(location)
    try:
        stream = video_stream(container, location.name)
        return take(container, stream) if stream.codec_context.name in _CODECS else None
    except InexactSeekError:
        return None
    finally:
        container.close()


@dataclass(frozen=True)
class SeekPoint:
    """A keyframe that is exact to seek to.

    Attributes:
        timestamp: timestamp of the keyframe.
        skipped: timestamps of all frames before it, in order; their number is its index.
    """

    timestamp: int
    skipped: list[int]

    @classmethod
    def before(cls, location: Location, start: int) -> "SeekPoint | None":
        """Find the last exact keyframe at or before a frame.

        The file is read up to the second group of pictures after the frame.

        Args:
            location: a file.
            start: index of the frame.

        Returns:
            The keyframe; ``None`` where none is known to be exact, or only the first one.

        Raises:
            SourceError: the file cannot be opened.
        """
        packets = _from_packets(
            location, lambda container, stream: _packets_around(container, stream, start)
        )
        if packets is None:
            return None
        timestamps = sorted(packet.timestamp for packet in packets)
        exact = exact_keyframes(packets)
        if not exact or not exact[0] or len(set(timestamps)) < len(timestamps):
            return None
        at = max((i for i, is_exact in enumerate(exact) if is_exact and i <= start), default=0)
        return cls(packets[at].timestamp, timestamps[:at]) if at else None


def _packets_around(container: InputContainer, stream: VideoStream, start: int) -> list[Packet]:
    """Read packets until later ones can no longer be shown before frame ``start``.

    A picture is never shown before a keyframe that is two keyframes before it in the file.
    """
    packets, keyframes = [], 0
    for packet in read_packets(container, stream):
        packets.append(packet)
        keyframes += packet.is_refresh and len(packets) > start + 1
        if keyframes == 2:
            break
    return packets


def _is_refresh(packet: "AVPacket[VideoStream]", stream: VideoStream) -> bool:
    """Return whether a keyframe is whole, as far as its codec lets that be seen."""
    codec = stream.codec_context.name
    if codec not in _REFRESHES:
        return True
    record, data = stream.codec_context.extradata or b"", bytes(packet)
    if len(record) <= _LENGTH_SIZE_AT[codec] or record[0] != 1:
        return False  # the units are not told apart by lengths
    size, at = (record[_LENGTH_SIZE_AT[codec]] & 3) + 1, 0
    while at + size < len(data):
        header = data[at + size]
        kind = header & 31 if codec == "h264" else header >> 1 & 63
        if kind in _REFRESHES[codec]:
            return True
        at += size + int.from_bytes(data[at : at + size], "big")
    return False
