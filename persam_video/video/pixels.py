"""Converting pictures of any kind to uint8 RGB of shape (H, W, 3)."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from persam_video.errors import SourceError
from persam_video.util.arrays import as_array, kind_of
from persam_video.util.image_file import decoding, raw_mode

_WANTED = "give uint8 RGB of shape (H, W, 3)"

_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
"""Bits that cameras and programs use of a value."""


def as_rgb(picture: Any, name: str = "the frame") -> NDArray[np.uint8]:
    """Return a picture as a new RGB array.

    Args:
        picture: a NumPy array, uint8 RGB of shape (H, W, 3); a PIL image of any mode, which is
            turned as its EXIF says and loses its transparency; or a torch tensor on any device,
            uint8 RGB of shape (H, W, 3) or (3, H, W).
        name: what to call it in messages.

    Returns:
        A new uint8 array of shape (H, W, 3), C-contiguous.

    Raises:
        SourceError: it is something else; the message names what it is and what is wanted.
    """
    if isinstance(picture, Image.Image):
        with decoding(name, SourceError):  # a file that is read only now, or closed
            return decode_image(picture, name).rgb
    array = as_array(picture)
    if array is None:
        raise SourceError(f"{name} is {kind_of(picture)}; {_WANTED}, or a PIL image")
    is_planar = array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3
    if is_planar and not isinstance(picture, np.ndarray):
        array = array.transpose(1, 2, 0)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise SourceError(f"{name} is {kind_of(picture)}; {_WANTED}{_remedy(array)}")
    return np.array(array, order="C")


def _remedy(array: NDArray[Any]) -> str:
    """Return how to make a rejected array acceptable, if that is known."""
    if array.dtype != np.uint8:
        is_float = np.issubdtype(array.dtype, np.floating)
        in_unit = is_float and bool(np.all((array >= 0) & (array <= 1)))  # false for NaN
        return ": (255 * frame).round().astype(numpy.uint8) if it is 0 to 1" if in_unit else ""
    remedies = (
        (array.ndim == 2, "numpy.stack([frame] * 3, axis=-1) if it is grey"),
        (array.ndim == 3 and array.shape[-1] == 4, "frame[..., :3] if it is RGBA"),
        (array.ndim == 3 and array.shape[0] == 3, "frame.transpose(1, 2, 0)"),
        (array.ndim == 4, "one frame at a time"),
    )
    return next((f": {remedy}" for applies, remedy in remedies if applies), "")


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image in 8 bits.

    Attributes:
        rgb: uint8 (H, W, 3), upright, without transparency.
        bits: number of bits assumed to be in use; ``None`` for 8-bit images.
        overflow: the largest stored value if it exceeds ``bits``, else ``None``.
    """

    rgb: NDArray[np.uint8]
    bits: int | None = None
    overflow: int | None = None


def decode_image(image: Image.Image, name: str, bits: int | None = None) -> DecodedImage:
    """Convert a PIL image of any mode to 8 bits.

    Cameras of 10, 12 or 14 bits save 16-bit files, which would be nearly black if all 16 bits were
    taken to be in use.

    Args:
        image: of any mode; deep colours have to be undecoded yet, as Pillow keeps 8 bits of them.
        name: what to call it in messages.
        bits: how many bits are in use, where several images are to look alike; larger values become
            white. From the image's largest value when not given.

    Raises:
        SourceError: it has no pixels, or pixels that are not whole numbers of 0 or more.
    """
    if not image.width or not image.height:
        raise SourceError(f"{name} is {image.width}x{image.height} pixels; {_WANTED}")
    values = _deep_values(image, name)
    if values is None:
        return DecodedImage(np.array(ImageOps.exif_transpose(image).convert("RGB")))
    largest = int(values.max())
    if bits is None:
        bits = next(depth for depth in _DEPTHS if largest < 2**depth) if largest else 16
    white = 2**bits - 1
    # whole numbers, so that white becomes 255 exactly
    scaled = (values.clip(0, white).astype(np.uint64) * 255 + white // 2) // white
    rgb = scaled.astype(np.uint8)
    if rgb.ndim == 2:
        rgb = np.repeat(rgb[..., np.newaxis], 3, axis=2)
    upright = Image.fromarray(rgb)
    upright.getexif().update(image.getexif())
    rgb = np.array(ImageOps.exif_transpose(upright))
    return DecodedImage(rgb, bits, largest if largest > white else None)


def bits_warning(name: str, bits: int | None) -> str | None:
    """Return a warning for an image whose values were scaled up, or ``None``."""
    if bits in (None, 8, 16):
        return None
    return f"{name}: uses {bits} of its bits; values up to {2**bits - 1} are scaled to 255"


def _deep_values(image: Image.Image, name: str) -> NDArray[Any] | None:
    """Return the values of an image of more than 8 bits: (H, W) or (H, W, 3), not turned."""
    if image.mode == "F":
        raise SourceError(f"{name}: has floating-point pixels; give 8- or 16-bit images")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0:
            raise SourceError(f"{name}: has pixels below 0; give 8- or 16-bit images")
        return values
    stored, _ = raw_mode(image)
    if not (stored.startswith("RGB") and ";16" in stored):
        return None
    # Pillow keeps the upper bytes of deep colours only, which would be black for 10 bits.
    file = image.fp  # type: ignore[attr-defined]  # of an image that is still to be read
    file.seek(0)
    data = np.frombuffer(file.read(), np.uint8)
    colours = cv2.imdecode(data, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if colours is None or colours.dtype != np.uint16 or colours.ndim != 3:
        return None
    return colours[..., 2::-1]  # from BGR or BGRA
