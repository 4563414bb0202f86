"""Masks as the shapes of CVAT, and the other way round."""

import numpy as np
from cvat_sdk.masks import decode_mask, encode_mask
from numpy.typing import NDArray

from persam_video.errors import AnnotationError
from persam_video.masks.boxes import box_of
from persam_video.masks.polygons import filled, polygon

_TOLERANCE = 1.0
"""Pixels between a polygon and the edge of its mask."""


def points_of(mask: NDArray[np.bool_], kind: str) -> list[float]:
    """Return a mask (H, W) with at least one pixel as the points of a shape.

    Args:
        mask: of the object.
        kind: ``mask``, ``polygon`` or ``rectangle``.
    """
    if kind == "mask":
        return [float(number) for number in encode_mask(mask)]
    if kind == "polygon":
        return [float(number) for number in polygon(mask, _TOLERANCE).ravel()]
    return [float(side) for side in box_of(mask) or ()]


def mask_of(points: list[float], kind: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (H, W) of a shape of the kind ``mask`` or ``polygon``.

    Raises:
        AnnotationError: the points are not those of such a shape.
    """
    height, width = size
    if kind == "polygon":
        return filled(np.array(points, np.float64).reshape(-1, 2), size)
    try:
        mask: NDArray[np.bool_] = decode_mask(points, image_width=width, image_height=height)
    except ValueError as error:
        raise AnnotationError(f"the mask of a shape cannot be read: {error}") from error
    return mask


def box_in_frame(points: list[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return a rectangle's (x0, y0, x1, y1) as far as it is inside a frame of (height, width)."""
    height, width = size
    x0, y0, x1, y1 = points
    return (
        max(0.0, min(x0, x1)),
        max(0.0, min(y0, y1)),
        min(float(width), max(x0, x1)),
        min(float(height), max(y0, y1)),
    )
