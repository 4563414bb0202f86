"""One iterator over the frames of any source."""

import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from persam_video.errors import ConfigError, SourceError
from persam_video.video.animation import AnimationDecoder, holds_pictures
from persam_video.video.camera_decoder import open_camera
from persam_video.video.decoder import Decoder
from persam_video.video.decord_decoder import DecordDecoder
from persam_video.video.frame import Frame
from persam_video.video.image_decoder import ImageDecoder, is_image_file
from persam_video.video.live import NewestItems
from persam_video.video.prefetch import Prefetcher
from persam_video.video.pyav_decoder import PyAVDecoder
from persam_video.video.selection import Selection
from persam_video.video.source import Location, SourceInfo, SourceKind, locate

DecoderName = Literal["pyav", "decord"]


class FrameStream(Iterator[Frame]):
    """Reads a source once, frame by frame, while a background thread decodes a little ahead.

    The source is opened and its first frame decoded at once, so that ``info`` is known and a
    source that cannot be read fails here. Leaving the ``with`` block, the end of the frames and
    any error release the source.

    Every frame has the size in ``info``. Display rotation and mirroring are applied. Times are
    the source's own, at a variable frame rate too, counted from its first frame. Pixels are the
    stored ones: neither stretched to be square nor deinterlaced. Transparency is dropped.

    A damaged video yields the frames that can be decoded, in order; its problems are in
    ``warnings`` once the frames are read.

    Examples:
        >>> with FrameStream("clip.mp4", stride=2) as frames:  # doctest: +SKIP
        ...     for frame in frames:
        ...         print(frame.index, frame.time, frame.rgb.shape)
    """

    def __init__(
        self,
        source: str | Path | int,
        *,
        decoder: DecoderName = "pyav",
        start: int = 0,
        stop: int | None = None,
        stride: int = 1,
        prefetch: int = 1,
        live: bool | None = None,
    ) -> None:
        """Open a source.

        Args:
            source: a video file, a folder of images, a glob, a camera index (a number, or digits
                that are not a path), or a URL with http, https, rtsp or rtsps.
            decoder: library for video files. ``decord`` needs the extra of that name and refuses
                files that it would read wrongly; images and cameras do not depend on it.
            start: index of the first frame to yield.
            stop: index before which to stop, or ``None`` for the end of the source.
            stride: yield every ``stride``-th frame.
            prefetch: frames that may be decoded ahead of the consumer; 0 decodes on demand,
                without a thread. Ignored for live sources.
            live: whether to drop, and count, frames that arrive while the consumer is busy;
                ``None`` does so where the source is live.

        Raises:
            SourceError: the source cannot be read.
            ConfigError: a setting is out of range.
        """
        if prefetch < 0:
            raise ConfigError(f"prefetch is {prefetch}; give a number of frames, 0 or more")
        self._selection = Selection(start, stop, stride)
        self._decoder = _open(locate(source), decoder)
        self._given = 0
        self._closed = False
        frames = self._decoder.frames(self._selection)
        self._frames: _Frames
        self._newest: NewestItems[Frame] | None = None
        if self.info.live if live is None else live:
            self._frames = self._newest = NewestItems(frames)
        else:
            self._frames = Prefetcher(frames, prefetch) if prefetch else frames
        # Also called when a stream is dropped without being closed, as by break in a for loop.
        self._release = weakref.finalize(self, _release, self._frames, self._decoder)

    @property
    def info(self) -> SourceInfo:
        """Facts about the source."""
        return self._decoder.info

    @property
    def live(self) -> bool:
        """Whether frames that arrive while the consumer is busy are dropped."""
        return self._newest is not None

    @property
    def warnings(self) -> list[str]:
        """Problems with the source so far, one line each; complete after the last frame."""
        return list(self._decoder.warnings)

    @property
    def dropped(self) -> int:
        """Number of frames of a live source that were dropped."""
        return self._newest.dropped if self._newest is not None else 0

    @property
    def expected_frames(self) -> int | None:
        """Number of frames that the source promises for this stream, or ``None`` if unknown."""
        if self.info.frame_count is not None:
            return len(self._selection.within(self.info.frame_count))
        if self._selection.stop is not None:
            return len(self._selection.within(self._selection.stop))
        return None

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        try:
            frame = next(self._frames)
        except StopIteration:
            ended_empty = not self._given and not self._closed
            self.close()
            if ended_empty:
                raise SourceError(_ends_before(self.info, self._selection.start)) from None
            raise
        except BaseException:
            self.close()
            raise
        self._given += 1
        return frame

    def close(self) -> None:
        """Stop decoding and release the source; a second call does nothing."""
        self._closed = True
        self._release()

    def __enter__(self) -> "FrameStream":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


_Frames: TypeAlias = Prefetcher[Frame] | NewestItems[Frame] | Generator[Frame, None, None]


def _release(frames: _Frames, decoder: Decoder) -> None:
    try:
        frames.close()
    finally:
        decoder.close()


def _ends_before(info: SourceInfo, start: int) -> str:
    count = info.frame_count
    if count is None or count > start:  # unknown, or claimed and not kept
        return f"{info.name}: ends before frame {start}; give an earlier frame"
    last = f"frames, 0 to {count - 1}" if count > 1 else "frame, 0"
    return f"{info.name}: has {count} {last}, so there is no frame {start}"


def _open(location: Location, decoder: DecoderName) -> Decoder:
    if decoder not in ("pyav", "decord"):
        raise ConfigError(f"decoder {decoder!r} is unknown; choose pyav or decord")
    if location.kind is SourceKind.CAMERA:
        return open_camera(location)
    if location.kind in (SourceKind.FOLDER, SourceKind.GLOB) or (
        location.path is not None and is_image_file(location.path)
    ):
        if location.kind is SourceKind.FILE and holds_pictures(Path(location.address)):
            return AnimationDecoder(location)
        return ImageDecoder(location)
    if decoder == "decord":
        return DecordDecoder(location)
    return PyAVDecoder(location)
