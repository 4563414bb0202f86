"""Masks as polygons along the edges of their pixels.

Coordinates are (x, y) where pixel (column, row) covers the square from (column, row) to
(column + 1, row + 1), as in COCO, CVAT and labelme.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1 << 20
"""Crossings of edges and rows that are worked out together."""


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
    # takes longer to load than the rest of what tracking needs besides torch
    from scipy.spatial.distance import cdist  # noqa: PLC0415

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


def filled(points: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask that a polygon encloses by the even-odd rule: ``polygon`` read backwards.

    A pixel is inside where its centre is.

    Args:
        points: shape (N, 2), finite, closed by itself, (x, y) as in ``outlines``; it may reach
            beyond the picture.
        size: height and width of the picture.

    Returns:
        Boolean array of shape (H, W).
    """
    mask = np.zeros(size, np.bool_)
    corners = np.asarray(points, np.float64).reshape(-1, 2)
    edges = np.stack((corners, np.roll(corners, -1, axis=0)), axis=1)
    # all from above to below, so that an edge of two polygons is the same line in both
    edges = np.where((edges[:, 0, 1] > edges[:, 1, 1])[:, None, None], edges[:, ::-1], edges)
    (x0, y0), (x1, y1) = edges.transpose(1, 2, 0)
    # an edge crosses the rows whose middles it has passed: half-open, so that corners count once
    first = np.ceil(np.clip(y0 - 0.5, 0, size[0])).astype(np.int64)
    counts = np.ceil(np.clip(y1 - 0.5, 0, size[0])).astype(np.int64) - first
    if not counts.any():
        return mask
    top, bottom = int(first[counts > 0].min()), int((first + counts).max())
    ends = np.floor(corners[:, 0].min()), np.ceil(corners[:, 0].max())
    left, right = (int(np.clip(end, 0, size[1])) for end in ends)
    width = right - left + 1  # what is crossed beyond the window counts in its last column
    crossings = np.zeros((bottom - top) * width, np.int64)
    parts = np.searchsorted(np.cumsum(counts), np.arange(_AT_ONCE, counts.sum(), _AT_ONCE))
    for part in np.split(np.arange(len(counts)), parts):
        edge = np.repeat(part, counts[part])
        begins = np.cumsum(counts[part]) - counts[part]
        rows = first[edge] + np.arange(len(edge)) - np.repeat(begins, counts[part])
        along = (rows + 0.5 - y0[edge]) / (y1[edge] - y0[edge])
        x = x0[edge] + along * (x1[edge] - x0[edge])
        columns = np.clip(np.ceil(x - 0.5), left, right).astype(np.int64)
        places = (rows - top) * width + columns - left
        crossings += np.bincount(places, minlength=len(crossings))
    inside = np.cumsum(crossings.reshape(-1, width), axis=1) % 2 == 1
    mask[top:bottom, left:right] = inside[:, :-1]
    return mask


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
