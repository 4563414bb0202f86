"""Strict reading of label images for scoring.

Scoring takes the values of a PNG as labels, literally. Anything that would need a guess
(colours instead of labels, another size) is rejected: a guess would change the score silently.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import DatasetError
from persam_video.util.image_file import MAX_PIXELS, open_image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LABEL_MODES = ("P", "L", "1")
_PLAIN_LAYOUTS = ([8, 0, 0, 0, 0], [8, 3, 0, 0, 0])
"""Depth, colour type (grey, indexed), compression, filter and interlace method of a plain PNG."""


def read_labels(path: Path, shape: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return the labels of an indexed or grey 8-bit image.

    Args:
        path: image file.
        shape: (H, W) that the image must have.

    Returns:
        A uint8 array of shape (H, W), possibly read-only.

    Raises:
        DatasetError: the file is missing, unreadable, of another size, or has colours for labels.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    labels = _decode_plain_png(data)
    if labels is None:
        labels = _decode(path)
    if shape is not None and labels.shape != shape:
        raise DatasetError(
            f"{path}: {_size(labels.shape)} pixels where the annotation has {_size(shape)}"
        )
    return labels


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _decode(path: Path) -> NDArray[np.uint8]:
    with open_image(path, DatasetError) as image:
        if image.format != "PNG":
            raise DatasetError(
                f"{path}: a {image.format} image; labels must be an indexed or grey 8-bit PNG"
            )
        if image.mode == "LA":
            return _opaque(np.asarray(image), path)
        if image.mode not in _LABEL_MODES:
            raise DatasetError(
                f"{path}: a {image.mode} image; labels must be an indexed or grey 8-bit PNG"
            )
        return np.asarray(image).astype(np.uint8, copy=False)


def _opaque(pixels: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """Return the grey values of an image with transparency, like one mask of DAVIS 2016.

    Fully transparent pixels are background.
    """
    labels, alpha = pixels[..., 0], pixels[..., 1]
    if ((alpha > 0) & (alpha < 255)).any():
        raise DatasetError(f"{path}: is partly transparent; save it without an alpha channel")
    return np.where(alpha > 0, labels, np.uint8(0))


def _decode_plain_png(data: bytes) -> NDArray[np.uint8] | None:
    """Decode a PNG as label maps are commonly written: 8 bits, not interlaced, rows unfiltered.

    Decoding takes most of the time of an evaluation, and such a file is little more than one zlib
    stream, which takes half the time of a general decoder. Anything else, faults included, is left
    to the general decoder by returning ``None``.
    """
    chunks = _png_chunks(data)
    if chunks is None or len(chunks.get(b"IHDR", b"")) != 13:
        return None
    width, height, *layout = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if layout not in _PLAIN_LAYOUTS or not 0 < width * height <= MAX_PIXELS:
        return None
    size = height * (width + 1)
    decompressor = zlib.decompressobj()
    try:
        rows = decompressor.decompress(chunks.get(b"IDAT", b""), size)
    except zlib.error:
        return None
    if len(rows) != size:
        return None
    filter_and_labels = np.frombuffer(rows, np.uint8).reshape(height, width + 1)
    return None if filter_and_labels[:, 0].any() else filter_and_labels[:, 1:]


def _png_chunks(data: bytes) -> dict[bytes, bytes] | None:
    """Return the bodies of a PNG's chunks by their type, those of one type joined.

    ``None`` stands for anything but a whole PNG whose checksums are right.
    """
    if not data.startswith(_SIGNATURE):
        return None
    chunks: dict[bytes, bytes] = {}
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if data[end : end + 4] != zlib.crc32(data[position + 4 : end]).to_bytes(4, "big"):
            return None
        chunks[kind] = chunks.get(kind, b"") + data[position + 8 : end]
        if kind == b"IEND":
            return chunks
        position = end + 4
    return None
