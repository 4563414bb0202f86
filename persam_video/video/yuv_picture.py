"""Decoded pictures that stay in YUV but for the parts that are looked at or drawn on."""

from functools import lru_cache
from threading import Lock

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from persam_video.video.formats import BT709, ColourTags
from persam_video.video.picture import Part, Picture, area_means
from persam_video.video.rgb import RgbConverter, YuvConverter, untagged_matrix

_FORMAT = "yuv420p"

_LEAST_PIXELS = 1_000_000
"""Of smaller pictures, all is converted in the time that parts of them would take."""

_TILE = 32
"""Parts are converted in whole tiles of so many pixels, so that a few converters suffice."""

_MOST_CONVERTERS = 16
"""Kept of each kind; to make one takes as long as to convert 256 x 256 pixels."""


class YuvPictures:
    """Makes the pictures of one video, and converts parts of them.

    Their colours are those that ``RgbConverter`` gives, whatever part is converted.
    """

    def __init__(self) -> None:
        self._to_rgb = lru_cache(_MOST_CONVERTERS)(RgbConverter)
        self._to_yuv = lru_cache(_MOST_CONVERTERS)(_yuv_converter)
        self._lock = Lock()  # a converter takes one picture at a time

    def of(self, frame: VideoFrame) -> "YuvPicture | None":
        """Return a decoded frame as a picture, or ``None`` if it is better converted at once.

        Taken are large frames in the format, and with the colours, in which videos are written.
        """
        width, height = frame.width, frame.height
        matrix = BT709.tag if untagged_matrix(frame, None) else int(frame.colorspace)
        taken = (
            frame.format.name == _FORMAT
            and width * height >= _LEAST_PIXELS
            and not (width % 2 or height % 2)
            and int(frame.color_range) != ColorRange.JPEG
            and matrix == ColourTags.for_height(height).tag
        )
        return YuvPicture(frame, self) if taken else None

    def to_rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Convert a picture, or a part that was copied from one."""
        with self._lock:
            return self._to_rgb(frame.width, frame.height)(frame)

    def to_yuv(self, rgb: NDArray[np.uint8], height: int) -> VideoFrame:
        """Convert a part of a picture of some height back."""
        with self._lock:
            return self._to_yuv(rgb.shape[1], rgb.shape[0], ColourTags.for_height(height))(rgb)


class YuvPicture(Picture):
    """A decoded picture in ``yuv420p``, as ``VideoWriter`` takes it.

    Attributes:
        pixel_format: FFmpeg's name of the format.
        frame: what was decoded, or drawn on; not to be changed, as the decoder may need it.
    """

    pixel_format = _FORMAT

    def __init__(self, frame: VideoFrame, pictures: YuvPictures) -> None:
        self.frame = frame
        self._pictures = pictures

    @property
    def size(self) -> tuple[int, int]:
        """See ``Picture``."""
        return self.frame.height, self.frame.width

    def rgb(self, part: Part | None = None) -> NDArray[np.uint8]:
        """See ``Picture``."""
        if part is None:
            return self._pictures.to_rgb(self.frame)
        left, top, _, _ = tiles = self._tiles(part)
        x0, y0, x1, y1 = part
        return self._pictures.to_rgb(self._copy(tiles))[y0 - top : y1 - top, x0 - left : x1 - left]

    def canvas(self, part: Part) -> NDArray[np.uint8]:
        """See ``Picture``."""
        x0, y0, x1, y1 = tiles = self._tiles(part)
        canvas = np.empty((*self.size, 3), np.uint8)
        canvas[y0:y1, x0:x1] = self._pictures.to_rgb(self._copy(tiles))
        return canvas

    def painted(self, canvas: NDArray[np.uint8], part: Part) -> "YuvPicture":
        """See ``Picture``."""
        x0, y0, x1, y1 = tiles = self._tiles(part)
        drawn = self._pictures.to_yuv(canvas[y0:y1, x0:x1], self.size[0])
        painted = self.copy()
        for new, place in zip(_planes(drawn), _parts(painted, tiles), strict=True):
            place[:] = new
        return YuvPicture(painted, self._pictures)

    def small(self, width: int, height: int) -> NDArray[np.uint8]:
        """See ``Picture``."""
        small = _empty(width, height, "yuv444p", self.size[0])
        for place, plane in zip(_planes(small), _planes(self.frame), strict=True):
            place[:] = area_means(plane, width, height)
        return self._pictures.to_rgb(small)

    def copy(self) -> VideoFrame:
        """Return a new frame for an encoder, with nothing of the old one but its pixels."""
        return self._copy((0, 0, self.frame.width, self.frame.height))

    def _tiles(self, part: Part) -> Part:
        """Return the part with all of the tiles that it touches."""
        height, width = self.size
        x0, y0, x1, y1 = part
        return (
            x0 // _TILE * _TILE,
            y0 // _TILE * _TILE,
            min(-(-x1 // _TILE) * _TILE, width),
            min(-(-y1 // _TILE) * _TILE, height),
        )

    def _copy(self, part: Part) -> VideoFrame:
        """Return a part with even corners as a picture of its own."""
        x0, y0, x1, y1 = part
        copy = _empty(x1 - x0, y1 - y0, _FORMAT, self.size[0])
        for place, old in zip(_planes(copy), _parts(self.frame, part), strict=True):
            place[:] = old
        return copy


def _empty(width: int, height: int, pixel_format: str, frame_height: int) -> VideoFrame:
    """Return a picture to be filled, with the colours of frames of some height."""
    frame = VideoFrame(width, height, pixel_format)
    frame.colorspace = ColourTags.for_height(frame_height).tag
    frame.color_range = ColorRange.MPEG
    return frame


def _planes(frame: VideoFrame) -> list[NDArray[np.uint8]]:
    """Return the planes (h, w) of a picture, not copied."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, -1)[:, : plane.width]
        for plane in frame.planes
    ]


def _parts(frame: VideoFrame, part: Part) -> list[NDArray[np.uint8]]:
    """Return a part with even corners of the planes, not copied."""
    x0, y0, x1, y1 = part
    luma, *chroma = _planes(frame)
    halves = [plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] for plane in chroma]
    return [luma[y0:y1, x0:x1], *halves]


def _yuv_converter(width: int, height: int, colours: ColourTags) -> YuvConverter:
    return YuvConverter(width, height, _FORMAT, colours, alpha=False)
