"""Converting decoded pictures to RGB arrays, and RGB arrays to pictures for an encoder."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from persam_video.video.formats import ColourTags
from persam_video.video.hdr import Transfer, write_tone_curve

_UNSPECIFIED = 2
"""H.273's number for a matrix that is not told."""

_EXACT = "full_chroma_int+accurate_rnd"
"""Flags of the scale filter. Without them it rounds down: colours change by up to 3 levels."""

_THREADS = 1
"""Of a filter: what runs beside it has the other cores, and to wake threads takes longer."""


class RgbConverter:
    """Converts decoded pictures to RGB of one size, with FFmpeg's own filters.

    Subsampled chroma is repeated, not interpolated. ``YuvConverter`` averages it, so converting
    back gives the original picture.

    PyAV's own conversion takes chroma from between the places where it was sampled when a video
    has more than 8 bits; these filters do not.

    Colours follow the tags of the pictures. Without a tag they are BT.709 where a picture is wider
    than 1279 or higher than 576 pixels, and BT.601 otherwise, as players take them. High dynamic
    range is tone-mapped; see ``persam_video.video.hdr``.
    """

    def __init__(self, width: int, height: int, transfer: Transfer | None = None) -> None:
        """Prepare to convert.

        Args:
            width: width of the RGB pictures in pixels.
            height: height of the RGB pictures in pixels.
            transfer: the HDR transfer function, or ``None`` for standard range.
        """
        self._size = width, height
        self._transfer = transfer
        self._kind: tuple[int, int, str, int, int] | None = None
        self._graph = Graph()

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the picture as an (H, W, 3) array."""
        colours = int(frame.colorspace), int(frame.color_range)
        kind = (frame.width, frame.height, frame.format.name, *colours)
        if kind != self._kind:
            self._graph, self._kind = self._build(frame), kind
        self._graph.vpush(frame)
        return np.asarray(self._graph.vpull().to_ndarray(), dtype=np.uint8)

    def _build(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = _THREADS
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        )
        kernel = "neighbor" if (frame.width, frame.height) == self._size else "bicubic"
        width, height = self._size
        matrix = untagged_matrix(frame, self._transfer)
        scale = graph.add("scale", f"{width}:{height}:flags={kernel}+{_EXACT}{matrix}")
        sink = graph.add("format", "rgb24"), graph.add("buffersink")
        if self._transfer is None:
            # by way of planar RGB: only for that does FFmpeg have fast code with exact colours
            graph.link_nodes(source, scale, graph.add("format", "gbrp"), *sink)
            graph.configure()
            return graph
        with TemporaryDirectory() as folder:
            table = Path(folder, "curve.cube")
            write_tone_curve(table, self._transfer)
            place = table.as_posix().replace("\\", "/").replace(":", "\\:")
            deep, curve = graph.add("format", "gbrp16le"), graph.add("lut3d", f"file='{place}'")
            graph.link_nodes(source, scale, deep, curve, *sink)
            graph.configure()  # reads the table
        return graph


class YuvConverter:
    """Converts RGB arrays of one size to limited-range pictures for an encoder."""

    def __init__(
        self, width: int, height: int, pixel_format: str, colours: ColourTags, *, alpha: bool
    ) -> None:
        """Prepare to convert.

        Args:
            width: width in pixels.
            height: height in pixels.
            pixel_format: FFmpeg's name of the pixel format of the pictures.
            colours: colour space of the pictures.
            alpha: whether the arrays are RGBA.
        """
        self._format = "rgba" if alpha else "rgb24"
        self._graph = graph = Graph()
        graph.threads = _THREADS
        graph.link_nodes(
            graph.add_buffer(
                width=width,
                height=height,
                format=VideoFormat(self._format, width, height),
                time_base=Fraction(1, 1000),
            ),
            graph.add(
                "scale",
                # one level from what the flags for exact colours give, at most, and faster
                f"flags=area:out_color_matrix={colours.matrix}:out_range=tv",
            ),
            graph.add("format", pixel_format),
            graph.add("buffersink"),
        )
        graph.configure()

    def __call__(self, rgb: NDArray[np.uint8]) -> VideoFrame:
        """Return the picture of an (H, W, 3) array, or (H, W, 4) with transparency."""
        # without a copy: the array is read before the result is there
        frame = VideoFrame.from_numpy_buffer(np.ascontiguousarray(rgb), self._format)
        self._graph.vpush(frame)
        return self._graph.vpull()


def untagged_matrix(frame: VideoFrame, transfer: Transfer | None) -> str:
    """Return the scale filter's option for the matrix of an untagged picture.

    Empty if the picture is tagged, or the filter's default, BT.601, is right.
    """
    if int(frame.colorspace) != _UNSPECIFIED or frame.format.is_rgb:
        return ""
    if transfer is not None:
        return ":in_color_matrix=bt2020nc"
    is_large = frame.width >= 1280 or frame.height > 576
    return ":in_color_matrix=bt709" if is_large else ""
