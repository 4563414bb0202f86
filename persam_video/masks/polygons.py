"""Masks as polygons along the edges of their pixels.

Coordinates are (x, y) where pixel (column, row) covers the square from (column, row) to
(column + 1, row + 1), as in COCO, CVAT and labelme.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the closed outlines of a mask, including those of holes.

    They enclose exactly its pixels, under the even-odd rule and under the non-zero rule, as
    the mask is to the right of every line (in image coordinates, where y points down).

    Args:
        mask: boolean array of shape (H, W).

    Returns:
        One int64 array of shape (N, 2) for each line, corners only, as (x, y) where (0, 0) is the
        upper left corner of the upper left pixel; an empty list for an empty mask.
    """
    pixels = np.pad(mask, 1)
    above_left, above = pixels[:-1, :-1], pixels[:-1, 1:]
    left, here = pixels[1:, :-1], pixels[1:, 1:]
    turns = above_left ^ above ^ left ^ here
    # Where two pixels touch in a point only, two lines turn, so the point counts twice.
    crossings = (above_left == here) & (above == left) & (above != here)
    points = np.argwhere(turns | crossings)
    points = np.repeat(points, 1 + crossings[tuple(points.T)], axis=0)
    along_row = _partners(np.lexsort((points[:, 1], points[:, 0])))
    along_column = _partners(np.lexsort((points[:, 0], points[:, 1])))

    lines = []
    is_open = np.ones(len(points), np.bool_)
    for first in range(len(points)):
        if not is_open[first]:
            continue
        line, at = [], first
        while is_open[at]:
            beside = along_row[at]
            is_open[[at, beside]] = False
            line += [at, beside]
            at = along_column[beside]
        # The line set out along the row from its first point, with the mask below or above it.
        y, x = points[line[0]]
        mask_is_below = mask.shape[0] > y and mask[y, min(x, points[line[1], 1])]
        goes_right = points[line[1], 1] > x
        order = line if goes_right == mask_is_below else line[::-1]
        lines.append(points[order][:, ::-1])
    return lines


def polygon(mask: NDArray[np.bool_], tolerance: float = 0.0) -> NDArray[np.float64]:
    """Return one polygon around everything in a mask, for formats without holes or parts.

    Holes and parts are joined by zero-width cuts, followed in both directions, which enclose
    nothing.

    Args:
        mask: boolean array of shape (H, W).
        tolerance: maximum distance in pixels from the edge, to save points;
            0 encloses exactly the mask.

    Returns:
        float64 array of shape (N, 2), not closed, (x, y) as in ``outlines``; empty for an
        empty mask.
    """
    joined = np.zeros((0, 2))
    for line in outlines(mask):
        ring = _simplified(line, tolerance)
        if not len(joined):
            joined = ring
            continue
        distance = cdist(joined, ring)
        here, there = np.unravel_index(distance.argmin(), distance.shape)
        detour = [np.roll(ring, -there, axis=0), ring[there : there + 1], joined[here : here + 1]]
        joined = np.concatenate((joined[: here + 1], *detour, joined[here + 1 :]))
    return joined


def part_polygons(mask: NDArray[np.bool_], tolerance: float = 0.0) -> list[NDArray[np.float64]]:
    """Return one polygon for each connected part of a mask.

    Args:
        mask: bool (H, W).
        tolerance: maximum distance in pixels from the edge, to save points.

    Returns:
        One float64 array of shape (N, 2) for each part, as ``polygon`` gives it; an empty list
        for an empty mask.
    """
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return [polygon(parts == part, tolerance) for part in range(1, count)]


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each corner the other end of its edge, edges being neighbours in an order."""
    partners = np.empty(len(order), np.int64)
    partners[order[0::2]] = order[1::2]
    partners[order[1::2]] = order[0::2]
    return partners


def _simplified(line: NDArray[np.int64], tolerance: float) -> NDArray[np.float64]:
    if tolerance > 0:
        fewer = cv2.approxPolyDP(line.astype(np.int32)[:, None], tolerance, True)[:, 0]
        if len(fewer) >= 3:
            return fewer.astype(np.float64)
    return line.astype(np.float64)
