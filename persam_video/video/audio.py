"""Copying the sound of a source into a written video."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from persam_video.video.container import open_container, reason
from persam_video.video.formats import VideoContainer
from persam_video.video.source import Location, SourceKind


class AudioTrack:
    """The main sound of a file, written alongside a video in step with its frames.

    Sound is copied as it is where the container takes it, and otherwise re-encoded as mono or
    stereo. It is cut to the span of the video, to the packet (20 ms, with FLAC 0.1 s). Sound that
    is damaged ends early, with a warning, and does not stop the video.
    """

    def __init__(
        self,
        origin: InputContainer,
        source: AudioStream,
        output: OutputContainer,
        target: AudioStream,
        copies: bool,
    ) -> None:
        """Take ownership of an opened source; use ``open`` instead."""
        self.warnings: list[str] = []
        self._origin = origin
        self._output = output
        self._target = target
        self._copies = copies
        self._began = _video_start(origin)
        self._packets = self._read(source)
        self._next = next(self._packets, None)

    @classmethod
    def open(
        cls, path: Path, output: OutputContainer, container: VideoContainer
    ) -> "AudioTrack | None":
        """Add a stream for the sound of a file to an output that has not been started.

        Returns:
            The track, or ``None`` if the file has no sound that can be read.

        Raises:
            SourceError: the file cannot be opened.
        """
        origin = open_container(Location(SourceKind.FILE, path.name, str(path)))
        source = origin.streams.best("audio")
        if not isinstance(source, AudioStream) or source.codec_context is None:
            origin.close()
            return None
        copies = source.codec_context.codec.canonical_name in container.copied_audio
        if copies:
            target = output.add_stream_from_template(source)
        else:
            rates = av.Codec(container.audio_encoder, "w").audio_rates or []
            rate = source.rate if source.rate in rates else 48000
            target = cast(AudioStream, output.add_stream(container.audio_encoder, rate=rate))
            target.codec_context.layout = "mono" if source.channels == 1 else "stereo"
        return cls(origin, source, output, target, copies)

    def start_at(self, time: float) -> None:
        """Set the time of the source, in seconds after its first frame, that becomes 0."""
        self._began += Fraction(time)

    def advance(self, until: float) -> None:
        """Write the sound before a time of the written video, in seconds."""
        while self._next is not None and self._begin(self._next) < until:
            packet, self._next = self._next, next(self._packets, None)
            # One packet before the first is kept, as decoders need it to start; players skip it.
            if self._begin(packet) + 2 * (packet.duration or 0) * packet.time_base <= 0:
                continue
            with self._surviving_damage():
                if self._copies:
                    self._copy(packet)
                else:
                    self._encode(packet)

    def finish(self, until: float) -> None:
        """Write the rest of the sound before a time and release the source."""
        self.advance(until)
        if not self._copies:
            with self._surviving_damage():
                self._output.mux(self._target.encode(None))
        self.close()

    def close(self) -> None:
        """Release the source; a second call does nothing."""
        self._next = None
        self._packets.close()
        self._origin.close()

    @contextmanager
    def _surviving_damage(self) -> Iterator[None]:
        try:
            yield
        except (av.error.InvalidDataError, av.error.ArgumentError, ValueError) as error:
            self._give_up(error)

    def _read(self, source: AudioStream) -> "Generator[Packet[AudioStream], None, None]":
        try:
            for packet in self._origin.demux(source):
                if packet.size and packet.pts is not None:
                    yield packet
        except av.FFmpegError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._next = None
        self.warnings.append(f"the sound ends early because it is damaged ({reason(error)})")

    def _begin(self, packet: "Packet[AudioStream]") -> Fraction:
        return (packet.pts or 0) * packet.time_base - self._began

    def _copy(self, packet: "Packet[AudioStream]") -> None:
        shift = round(self._began / packet.time_base)
        packet.pts = (packet.pts or 0) - shift
        packet.dts = packet.pts  # sound is stored in the order in which it is heard
        packet.stream = self._target
        self._output.mux(packet)

    def _encode(self, packet: "Packet[AudioStream]") -> None:
        for frame in packet.decode():
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self._began / frame.time_base)
            self._output.mux(self._target.encode(frame))


def _video_start(container: InputContainer) -> Fraction:
    video = container.streams.best("video")
    if video is None or video.start_time is None or video.time_base is None:
        return Fraction(0)
    return video.start_time * video.time_base
