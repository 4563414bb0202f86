"""Connected components of masks.

A decoder leaves specks far from the object and pinholes inside it. One speck stretches the box that
prompts the next frame over half the picture, and a pinhole is harmless but looks broken, so both
are removed before a mask is used. Pixels of an object connect across corners (8-connectivity);
those of a hole do not, so that a diagonal line still closes one off.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.masks.boxes import Box, box_of


@dataclass(frozen=True)
class _Components:
    """Components of a ``mask``: ``ids`` from 1 to ``count`` in its ``window``, 0 outside all."""

    mask: NDArray[np.bool_]
    window: tuple[slice, slice]
    ids: NDArray[Any]
    count: int

    def select(self, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the (H, W) mask of the components where ``keep`` is true."""
        if keep.all():  # as usual; to look up each pixel takes longer than to find them all
            return np.array(self.mask, np.bool_)
        mask = np.zeros_like(self.mask)
        mask[self.window] = np.concatenate(([False], keep))[self.ids]
        return mask


def keep_large(mask: NDArray[np.bool_], fraction: float) -> NDArray[np.bool_]:
    """Return the components with at least ``fraction`` (0 to 1) of the largest one's area.

    An object that is cut in two by an occluder keeps both its parts.
    """
    components = _components(mask)
    if components is None or components.count == 1:
        return np.array(mask, np.bool_)
    areas = np.bincount(components.ids.ravel())[1:]
    return components.select(areas >= fraction * areas.max())


def keep_nearest(mask: NDArray[np.bool_], *points: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the components of a boolean (H, W) mask with the pixels nearest to points (x, y)."""
    components = _components(mask)
    if components is None:
        return np.zeros_like(mask)
    top, left = (side.start for side in components.window)
    rows, columns = np.nonzero(components.ids)
    keep = np.zeros(components.count, np.bool_)
    for x, y in points:
        nearest = (np.square(columns + left - x) + np.square(rows + top - y)).argmin()
        keep[components.ids[rows[nearest], columns[nearest]] - 1] = True
    return components.select(keep)


def keep_overlapping(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the components of a boolean (H, W) mask that share a pixel with another mask."""
    components = _components(mask)
    if components is None:
        return np.zeros_like(mask)
    keep = np.zeros(components.count + 1, np.bool_)
    keep[components.ids[other[components.window]]] = True
    return components.select(keep[1:])


def keep_touching(mask: NDArray[np.bool_], box: Box) -> NDArray[np.bool_]:
    """Return the components with a pixel in a box, or the whole mask if there are none.

    Args:
        mask: boolean (H, W).
        box: (x0, y0, x1, y1), x1 and y1 exclusive; it may reach beyond the mask.
    """
    components = _components(mask)
    if components is None:
        return np.zeros_like(mask)
    x0, y0, x1, y1 = box
    rows, columns = components.window
    # a negative index would count from the far side
    inside = components.ids[
        max(y0 - rows.start, 0) : max(y1 - rows.start, 0),
        max(x0 - columns.start, 0) : max(x1 - columns.start, 0),
    ]
    keep = np.zeros(components.count + 1, np.bool_)
    keep[inside] = True
    return components.select(keep[1:] | ~keep[1:].any())


def _components(mask: NDArray[np.bool_]) -> _Components | None:
    """Return the 8-connected components; ``None`` if there are none."""
    box = box_of(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    window = slice(y0, y1), slice(x0, x1)
    pixels = np.ascontiguousarray(mask[window]).view(np.uint8)
    number, ids = cv2.connectedComponents(pixels, connectivity=8)  # with the background
    return _Components(mask, window, np.asarray(ids), number - 1)
