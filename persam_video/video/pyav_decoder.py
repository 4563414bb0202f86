"""Decoding video files and network streams with PyAV (FFmpeg)."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain

import av
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from persam_video.errors import SourceError
from persam_video.video.container import is_live, open_container, reason, video_stream
from persam_video.video.frame import Frame
from persam_video.video.hdr import Transfer
from persam_video.video.orientation import Orientation
from persam_video.video.picture import Pixels
from persam_video.video.rgb import RgbConverter, untagged_matrix
from persam_video.video.seek_index import SeekPoint
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceInfo, SourceKind
from persam_video.video.timing import FrameClock, Timing
from persam_video.video.yuv_picture import YuvPictures


class PyAVDecoder:
    """A video file or network stream.

    Frames have the stored pixels, even if these are not square, and are not deinterlaced. For
    colours see ``persam_video.video.rgb.RgbConverter``. Transparency is dropped. Frames whose
    stored size differs from the first frame's are scaled to it, so that every frame has the size
    that ``info`` gives.
    """

    def __init__(self, location: Location) -> None:
        """Open a source and decode its first frame.

        Raises:
            SourceError: it cannot be opened, has no video, or gives no frame.
        """
        self._location = location
        self._name = location.name
        self.warnings: list[str] = []
        self._undecodable = self._damaged = self._discarded = 0
        self._container = open_container(location)
        try:
            self._stream = video_stream(self._container, self._name)
            self.timing = Timing.of(self._container, self._stream, location.path)
            self._time_base = self._stream.time_base or Fraction(1, 1000)
            decoded = self._decode(self._demux())
            first = next(decoded, None)
            if first is None:
                raise SourceError(
                    f"{self._name}: no frame can be decoded; the file is damaged or empty"
                )
        except BaseException:
            self._container.close()
            raise
        self._decoded: Iterator[VideoFrame] = chain([first], decoded)
        self._size = (first.width, first.height)
        self._resized = False
        self.orientation = _orientation(first)
        self.transfer = Transfer.of(int(self._stream.codec_context.color_trc or 0))
        if self.transfer is not None:
            self.warnings.append(
                f"{self._name}: has high dynamic range ({self.transfer.name}); its colours are "
                "tone-mapped to the standard range"
            )
        self._to_rgb = RgbConverter(first.width, first.height, self.transfer)
        usual = self.transfer is None and self.orientation == Orientation()
        self._pictures = YuvPictures() if usual else None
        self.guesses_colours = bool(untagged_matrix(first, self.transfer))
        width, height = self.orientation.size(*self._size)
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
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
            live=is_live(self._container, location),
            pixel_aspect=1 / aspect if self.orientation.transpose else aspect,
        )

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Decode the selected frames, in order; may be called once.

        Frames before the first selected one are skipped without decoding where a file is known
        to give the same frames then. Damage among them goes unnoticed: a packet that would give no
        frame counts as one.
        """
        clock = FrameClock(self._time_base, self.info.fps)
        # AVI has no presentation times; those that FFmpeg derives jump back and forth.
        stored_in_order = self._container.format.name == "avi"
        decoded, end = 0, 0.0
        skipped = self._seek(selection.start)
        for timestamp in skipped:
            clock.time_of(timestamp)
        for index, frame in enumerate(self._decoded, start=len(skipped)):
            decoded = index + 1
            time = clock.time_of(frame.dts if stored_in_order else frame.pts)
            end = time + float((frame.duration or 0) * self._time_base)
            self._check(frame, index)
            if index in selection:
                yield Frame(index, self._pixels(frame, index), time)
            if selection.ends_with(index):
                return
        self._note_faults(decoded, end, clock.repaired)

    def close(self) -> None:
        """Release the source; a second call does nothing."""
        self._container.close()

    def _seek(self, start: int) -> list[int]:
        """Seek to the last exact keyframe at or before a frame.

        Returns:
            Timestamps of the skipped frames; empty if there is no such keyframe.
        """
        point = None
        if start and self._location.kind is SourceKind.FILE:
            point = SeekPoint.before(self._location, start)
        if point is None:
            return []
        self._undecodable = self._damaged = self._discarded = 0
        try:
            self._container.seek(point.timestamp, stream=self._stream)
            packets = self._demux()
            found = next(packets, None)
        except av.FFmpegError:
            found = None
        if found is not None and found.pts == point.timestamp:
            self._decoded = self._decode(chain([found], packets))
            return point.skipped
        # the index of the file leads elsewhere, so it is read from its beginning
        self._container.close()
        self._container = open_container(self._location)
        self._stream = video_stream(self._container, self._name)
        self._decoded = self._decode(self._demux())
        return []

    def _demux(self) -> Iterator["av.Packet[VideoStream]"]:
        return (packet for packet in self._container.demux(self._stream) if packet.size)

    def _decode(self, packets: Iterator["av.Packet[VideoStream]"]) -> Iterator[VideoFrame]:
        # The decoder holds frames back to sort them; at the end, it is flushed.
        for packet in chain(self._whole(packets), [None]):
            try:
                yield from self._stream.codec_context.decode(packet)
            except av.FFmpegError:
                self._undecodable += 1

    def _whole(
        self, packets: Iterator["av.Packet[VideoStream]"]
    ) -> Iterator["av.Packet[VideoStream]"]:
        # A damaged packet amid others still gives most of its picture. At the end of a file that
        # was cut off, it is a picture that was cut off as well, so it waits for another packet.
        damaged = None
        try:
            for packet in packets:
                if damaged is not None:
                    yield damaged
                    damaged = None
                self._discarded += packet.is_discard
                if packet.is_corrupt:
                    damaged = packet
                else:
                    yield packet
        except av.FFmpegError as error:
            self.warnings.append(f"{self._name}: reading stopped early ({reason(error)})")
        self._undecodable += damaged is not None

    def _check(self, frame: VideoFrame, index: int) -> None:
        self._damaged += frame.is_corrupt
        if (frame.width, frame.height) != self._size and not self._resized:
            self._resized = True
            self.warnings.append(
                f"{self._name}: the size changes from {self._size[0]}x{self._size[1]} to "
                f"{frame.width}x{frame.height} at frame {index}; all are scaled to the first size"
            )

    def _pixels(self, frame: VideoFrame, index: int) -> Pixels:
        if self._pictures is not None and (frame.width, frame.height) == self._size:
            picture = self._pictures.of(frame)
            if picture is not None:
                return picture
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


def _orientation(frame: VideoFrame) -> Orientation:
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV does not know all that its FFmpeg attaches to frames, such as EXIF and the views of
        # spatial video, and then gives none of it but the angle
        return Orientation.from_rotation(frame.rotation)
    if not isinstance(matrix, SideData):
        return Orientation()
    return Orientation.from_display_matrix(bytes(matrix))


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
