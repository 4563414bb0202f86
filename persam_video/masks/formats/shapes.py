"""Masks of the shapes in labelling programs."""

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from persam_video.masks.formats.annotated import Draw, Size
from persam_video.masks.polygons import filled

_SIDES = 360  # of the polygon that approximates an ellipse


def polygon_shape(points: NDArray[np.float64]) -> Draw:
    """Return a polygon: (x, y), shape (N, 2), as in ``persam_video.masks.polygons``."""
    return partial(filled, points)


def polygons_shape(parts: list[NDArray[np.float64]]) -> Draw:
    """Return the union of several polygons."""

    def draw(size: Size) -> NDArray[np.bool_]:
        mask = np.zeros(size, np.bool_)
        for points in parts:
            mask |= filled(points, size)
        return mask

    return draw


def box_shape(x0: float, y0: float, x1: float, y1: float, degrees: float = 0.0) -> Draw:
    """Return a box between two corners, rotated clockwise about its centre."""
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return polygon_shape(_turned(corners, corners.mean(axis=0), degrees))


def ellipse_shape(
    centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0
) -> Draw:
    """Return an ellipse with centre (x, y) and radii along x and y, rotated clockwise."""
    angles = np.arange(_SIDES) * (2 * math.pi / _SIDES)
    points = np.stack((np.cos(angles), np.sin(angles)), axis=1) * radii + centre
    return polygon_shape(_turned(points, np.array(centre), degrees))


def bitmap_shape(bitmap: NDArray[np.bool_], left: int, top: int) -> Draw:
    """Return a mask (h, w) whose upper left pixel is at (left, top) in the frame."""

    def draw(size: Size) -> NDArray[np.bool_]:
        mask = np.zeros(size, np.bool_)
        height, width = bitmap.shape
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + height, size[0]), min(left + width, size[1])
        if y0 < y1 and x0 < x1:
            mask[y0:y1, x0:x1] = bitmap[y0 - top : y1 - top, x0 - left : x1 - left]
        return mask

    return draw


def _turned(
    points: NDArray[np.float64], centre: NDArray[np.float64], degrees: float
) -> NDArray[np.float64]:
    """Rotate points clockwise about a centre, in an image where y points down."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: NDArray[np.float64] = (points - centre) @ np.array([[cosine, sine], [-sine, cosine]])
    return turned + centre
