"""Decoding video files and network streams with PyAV (FFmpeg)."""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise

import av
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.index import IndexEntry
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from persam_video.errors import SourceError
from persam_video.video.frame import Frame
from persam_video.video.orientation import Orientation
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceInfo, SourceKind

# A playlist is a text file that names other files, so what a source may open in turn is limited
# to its own kind: a local file never reaches the network, a network stream never a local file.
_FILE_OPTIONS = {"protocol_whitelist": "file,crypto,data"}
_URL_OPTIONS = {
    "protocol_whitelist": "http,https,tcp,tls,udp,rtp,rtsp,crypto,data,httpproxy",
    "rtsp_transport": "tcp",  # the default, UDP, loses packets
}
_URL_TIMEOUTS = (15.0, 30.0)  # seconds to connect, and to wait for data

# FFmpeg draws text files as a terminal would show them.
_NOT_VIDEO_FORMATS = {"tty"}

_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True)
class Timing:
    """What a container claims about the time and number of its frames.

    Attributes:
        fps: frames per second, nominal or average, or ``None``.
        variable: whether the claimed rates show that frames are not evenly spaced.
        duration: seconds, or ``None``.
        start: seconds at which the container places the first frame.
        counted: number of frames that the container counted, or ``None``.
    """

    fps: Fraction | None
    variable: bool
    duration: float | None
    start: float
    counted: int | None

    @classmethod
    def of(cls, container: InputContainer, stream: VideoStream) -> "Timing":
        """Read the claims of a stream's header and index."""
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
            counted=_counted(container, stream),
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
        """Say how a stream that is over kept less than it promised, or return ``None``.

        Args:
            decoded: number of frames that came out.
            discarded: number of frames that the container itself marks as not to be shown.
            end: when the last frame goes, in seconds after the first came.
        """
        if self.counted is not None:
            missing = self.counted > decoded + discarded
            return f"ended early, after {decoded} of {self.counted} frames" if missing else None
        if self.duration is None or self.fps is None:
            return None
        # Durations are rounded, and some containers count them from 0, not from the first frame.
        missing = self.duration > end + max(self.start, 0.0) + 0.75 / self.fps
        seconds = f"{end:.2f} of {self.duration:.2f} seconds"
        return f"ended early, after {seconds}" if missing else None


class FrameClock:
    """Turn presentation timestamps into seconds that start at 0 and always grow."""

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


class RgbConverter:
    """Turn decoded pictures into RGB of one size, with the filters that FFmpeg itself uses.

    PyAV's own conversion takes chroma from between the places where it was sampled when a video
    has more than 8 bits; these filters do not.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = f"{width}:{height}"
        self._kind: tuple[int, int, str] | None = None
        self._graph = Graph()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the picture as an (H, W, 3) array."""
        kind = (frame.width, frame.height, frame.format.name)
        if kind != self._kind:
            self._graph, self._kind = self._build(frame), kind
        self._graph.vpush(frame)
        return np.asarray(self._graph.vpull().to_ndarray(), dtype=np.uint8)

    def _build(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            ),
            graph.add("scale", self._size),
            graph.add("format", "rgb24"),
            graph.add("buffersink"),
        )
        graph.configure()
        return graph


class PyAVDecoder:
    """A video file or network stream.

    Frames have the stored pixels, also where pixels are not square, and are not deinterlaced.
    Colours follow the stream's own tags; as everywhere in FFmpeg, untagged video counts as
    BT.601. Transparency is dropped. Frames whose stored size differs from the first frame's are
    scaled to it, so that every frame has the size that ``info`` gives.
    """

    def __init__(self, location: Location) -> None:
        """Open a source and decode its first frame.

        Raises:
            SourceError: it cannot be opened, has no video, or gives no frame.
        """
        self._name = location.name
        self.warnings: list[str] = []
        self._container = open_container(location)
        try:
            self._stream = video_stream(self._container, self._name)
            self.timing = Timing.of(self._container, self._stream)
            self._undecodable = self._damaged = self._discarded = 0
            decoded = self._decode()
            first = next(decoded, None)
            if first is None:
                raise SourceError(
                    f"{self._name}: not one frame can be decoded; the file is damaged or empty"
                )
        except BaseException:
            self._container.close()
            raise
        self._decoded = chain([first], decoded)
        self._size = (first.width, first.height)
        self._resized = False
        self.orientation = _orientation(first)
        self._to_rgb = RgbConverter(first.width, first.height)
        width, height = self.orientation.size(*self._size)
        self.info = SourceInfo(
            name=self._name,
            kind=location.kind,
            width=width,
            height=height,
            fps=self.timing.fps,
            variable_frame_rate=self.timing.variable,
            frame_count=self.timing.frame_count,
            duration=self.timing.duration,
            has_audio=bool(self._container.streams.audio),
            path=location.path,
        )

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Decode the wanted frames, in order; may be called once."""
        clock = FrameClock(self._stream.time_base or Fraction(1, 1000), self.info.fps)
        # AVI has no presentation times; those that FFmpeg derives jump back and forth.
        stored_in_order = self._container.format.name == "avi"
        decoded, end = 0, 0.0
        for index, frame in enumerate(self._decoded):
            decoded = index + 1
            time = clock.time_of(frame.dts if stored_in_order else frame.pts)
            end = time + float((frame.duration or 0) * (frame.time_base or 0))
            self._check(frame, index)
            if index in selection:
                yield Frame(index, self._rgb(frame, index), time)
            if selection.ends_with(index):
                return
        self._note_faults(decoded, end, clock.repaired)

    def close(self) -> None:
        """Release the source; a second call does nothing."""
        self._container.close()

    def _decode(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            self._discarded += packet.is_discard
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self._undecodable += 1

    def _packets(self) -> Iterator["av.Packet[VideoStream]"]:
        held = None
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                self.warnings.append(f"{self._name}: reading stopped early ({reason(error)})")
                packet = None
            # A damaged packet amid others still gives most of its picture. At the end of a file
            # that was cut off, it is a picture that was cut off as well.
            flush = packet is None or not packet.size
            if held is not None and not flush:
                yield held
            elif held is not None:
                self._undecodable += 1
            held = None
            if packet is None:
                return
            if packet.is_corrupt:
                held = packet
            else:
                yield packet

    def _check(self, frame: VideoFrame, index: int) -> None:
        self._damaged += frame.is_corrupt
        if (frame.width, frame.height) != self._size and not self._resized:
            self._resized = True
            self.warnings.append(
                f"{self._name}: the size changes from {self._size[0]}x{self._size[1]} to "
                f"{frame.width}x{frame.height} at frame {index}; all are scaled to the first size"
            )

    def _rgb(self, frame: VideoFrame, index: int) -> NDArray[np.uint8]:
        try:
            return self.orientation.apply(self._to_rgb(frame))
        except av.FFmpegError as error:
            raise SourceError(
                f"{self._name}: frame {index} has pixels of an unknown kind ({frame.format.name}); "
                "convert the video to H.264"
            ) from error

    def _note_faults(self, decoded: int, end: float, repaired: int) -> None:
        notes = []
        if self._undecodable:
            notes.append(f"{_count(self._undecodable, 'damaged packet')} left out")
        if self._damaged:
            notes.append(f"{_count(self._damaged, 'damaged frame')} given with faults")
        if repaired:
            notes.append(f"{_count(repaired, 'timestamp')} not after the one before, replaced")
        if shortfall := self.timing.shortfall(decoded, self._discarded, end):
            notes.append(shortfall)
        self.warnings += [f"{self._name}: {note}" for note in notes]


def open_container(location: Location) -> InputContainer:
    """Open a file or URL.

    Raises:
        SourceError: it cannot be opened, or is of a kind that is not video.
    """
    is_url = location.kind is SourceKind.URL
    try:
        container = av.open(
            # The prefix keeps names such as "a:b.mp4" from being read as protocols.
            location.address if is_url else f"file:{location.address}",
            mode="r",
            options=dict(_URL_OPTIONS if is_url else _FILE_OPTIONS),
            timeout=_URL_TIMEOUTS if is_url else None,
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(
            f"{location.name}: cannot be opened as a video ({reason(error)}); "
            + ("check the address" if is_url else "check that it is a whole video file")
        ) from error
    if container.format.name in _NOT_VIDEO_FORMATS:
        container.close()
        raise SourceError(f"{location.name}: a text file, not a video; give a video file")
    return container


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the main video stream.

    Raises:
        SourceError: there is none that can be decoded; the picture on a music file's cover does
            not count.
    """
    stream = container.streams.best("video")
    if (
        not isinstance(stream, VideoStream)
        or stream.disposition & av.stream.Disposition.attached_pic
    ):
        found = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise SourceError(f"{name}: has no video stream (found: {found}); give a video file")
    if stream.codec_context is None:
        raise SourceError(f"{name}: its video format is unknown here; convert it to H.264")
    return stream


def reason(error: Exception) -> str:
    """Return FFmpeg's or the system's words for an error, without the address of the source."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error)


def _orientation(frame: VideoFrame) -> Orientation:
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return Orientation()
    return Orientation.from_display_matrix(bytes(matrix))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _counted(container: InputContainer, stream: VideoStream) -> int | None:
    if stream.frames and "mov" in container.format.name:
        return len(_index_entries(stream)) or stream.frames  # the index knows about edit lists
    counted = stream.frames or _tag(stream, "NUMBER_OF_FRAMES")
    return int(counted) if str(counted).isdecimal() and int(counted) else None


def _evenly_indexed(stream: VideoStream, otherwise: bool) -> bool:
    times = [entry.timestamp for entry in _index_entries(stream)]
    if not stream.frames or len(times) < max(3, stream.frames // 2):
        return otherwise  # no index, or one of keyframes only
    steps = [later - earlier for earlier, later in pairwise(times)]
    return (max(steps) - min(steps)) * (stream.time_base or 0) <= Fraction(1, 1000)


def _index_entries(stream: VideoStream) -> Sequence[IndexEntry]:
    return getattr(stream, "index_entries", ())  # older versions of PyAV have none


def _close(a: Fraction, b: Fraction) -> bool:
    return abs(a / b - 1) < Fraction(1, 10_000)


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    # Matroska keeps the length of a single stream in a tag, and FFmpeg hands that on as it is.
    if match := _CLOCK.fullmatch(_tag(stream, "DURATION")):
        hours, minutes, seconds = match.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    return container.duration / 1_000_000 if container.duration else None


def _tag(stream: VideoStream, key: str) -> str:
    # Some writers add the language of the tag to its name.
    return next((v for k, v in stream.metadata.items() if k in (key, f"{key}-eng")), "")
