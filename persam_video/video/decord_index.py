"""Checking that decord reads a file correctly, and the times of its frames."""

from dataclasses import dataclass
from fractions import Fraction

from persam_video.errors import SourceError
from persam_video.video.container import open_container, video_stream
from persam_video.video.seek_index import InexactSeekError, exact_keyframes, read_packets
from persam_video.video.source import Location

USE_PYAV = "read it with the pyav decoder"


@dataclass(frozen=True)
class DecordIndex:
    """The frames of a file according to its packets, without decoding.

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
            SourceError: decord would seek to the wrong frames in this file.
        """
        container = open_container(location)
        try:
            stream = video_stream(container, location.name)
            packets = list(read_packets(container, stream))
            time_base = stream.time_base or Fraction(1, 1000)
        except InexactSeekError as error:
            raise SourceError(f"{location.name}: {error}: decord miscounts; {USE_PYAV}") from error
        finally:
            container.close()
        exact = exact_keyframes(packets)
        if any(packet.is_keyframe and not ok for packet, ok in zip(packets, exact, strict=True)):
            problem = "has open groups of pictures, in which decord loses its place"
            raise SourceError(f"{location.name}: {problem}; {USE_PYAV}")
        packets.sort()
        return cls(
            timestamps=[packet.timestamp for packet in packets],
            time_base=time_base,
            last_duration=float(packets[-1].duration * time_base),
        )
