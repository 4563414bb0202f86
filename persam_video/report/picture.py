"""Pictures embedded in a page."""

import base64
import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.masks.boxes import Box, box_of, centred

LONG_SIDE = 440
"""Pixels of a picture's long side."""

PLAIN = 46
"""Grey level that stands in for a missing image."""

WITHOUT_IMAGE = OverlayStyle(alpha=0.75, contour=0, tags=False)
"""How masks are drawn over it."""

_QUALITY = 78
_CONTEXT = 0.35
"""Margin around the objects in a cut-out, as a share of their box."""
_WORTH_CUTTING = 0.6
"""A cut-out is made when its sides are shorter than this share of the frame's."""


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        title: its caption.
        width: in pixels.
        height: in pixels.
        uri: the picture as a data URI.
    """

    title: str
    width: int
    height: int
    uri: str


def encoded(title: str, rgb: NDArray[np.uint8]) -> Picture:
    """Encode uint8 RGB (H, W, 3)."""
    data = io.BytesIO()
    Image.fromarray(rgb).save(data, format="WEBP", quality=_QUALITY, method=4)
    code = base64.b64encode(data.getvalue()).decode("ascii")
    height, width = rgb.shape[:2]
    return Picture(title, width, height, f"data:image/webp;base64,{code}")


def part_around(shown: NDArray[np.bool_]) -> Box:
    """Return the crop to show: the whole frame, unless the objects are small in it.

    Args:
        shown: bool array (H, W), true for the pixels of the objects.
    """
    height, width = shown.shape
    box = box_of(shown)
    if box is None:
        return 0, 0, width, height
    x0, y0, x1, y1 = box
    # of the frame's proportions, so that all pictures of a page have the same
    share = (1 + 2 * _CONTEXT) * max((x1 - x0) / width, (y1 - y0) / height)
    if share >= _WORTH_CUTTING:
        return 0, 0, width, height
    share = max(share, 0.25)
    wide, high = max(1, round(share * width)), max(1, round(share * height))
    return centred(box, (wide, high), (height, width))


def picture_size(height: int, width: int, long_side: int = LONG_SIDE) -> tuple[int, int]:
    """Return width and height of a frame's pictures."""
    scale = long_side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resized(rgb: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) in another size (width, height)."""
    shrinks = size[0] < rgb.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, size, interpolation=method), np.uint8)
