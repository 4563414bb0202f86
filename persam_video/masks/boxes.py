"""Boxes around masks.

A box is (x0, y0, x1, y1) in whole pixels. It holds the pixels from (x0, y0) up to, but excluding,
column x1 and row y1, so that its width is x1 - x0.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.masks.counts import counts_of_values

Box: TypeAlias = tuple[int, int, int, int]


def box_of(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around a boolean (H, W) mask, or ``None`` if it is empty.

    Examples:
        >>> mask = np.zeros((10, 20), bool)
        >>> mask[2:5, 4:10] = True
        >>> box_of(mask)
        (4, 2, 10, 5)
    """
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask, np.bool_).view(np.uint8))
    return (x, y, x + width, y + height) if width else None


def boxes_of_labels(labels: NDArray[np.uint8], ids: Iterable[int]) -> dict[int, Box | None]:
    """Return the box of every object of a label map.

    Args:
        labels: uint8 array of shape (H, W).
        ids: the object ids to look for, 1 to 254.

    Returns:
        The boxes by id, in the order of ``ids``; ``None`` for an id that does not occur.
    """
    # to compare, and to look for what is not 0, is far faster than to sort by label
    left, top, part = labelled_part(labels)
    seen = counts_of_values(part)
    boxes: dict[int, Box | None] = {}
    for object_id in ids:
        box = box_of(part == object_id) if seen[object_id] else None
        boxes[object_id] = None if box is None else moved(box, left, top)
    return boxes


def labelled_part(labels: NDArray[np.uint8]) -> tuple[int, int, NDArray[np.uint8]]:
    """Return the part of a label map (H, W) outside which it is 0, after its left and its top."""
    # twice as fast as OpenCV's bounding rectangle, for the rows without a label are read once
    rows = np.flatnonzero(labels.max(axis=1, initial=0))
    if not len(rows):
        return 0, 0, labels[:0, :0]
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(labels[top:bottom].max(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return left, top, labels[top:bottom, left:right]


def moved(box: Box, x: int, y: int) -> Box:
    """Return a box that is x pixels further right and y pixels further down."""
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def clip(box: Box, size: tuple[int, int]) -> Box | None:
    """Return the part of a box inside a frame of ``size`` (height, width), or ``None``."""
    height, width = size
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def grow(box: Box, margin: int, size: tuple[int, int]) -> Box | None:
    """Return a box with ``margin`` more pixels on each side, clipped to a frame (height, width).

    A negative margin shrinks the box; ``None`` if nothing remains.
    """
    x0, y0, x1, y1 = box
    return clip((x0 - margin, y0 - margin, x1 + margin, y1 + margin), size)


def centred(
    around: tuple[float, float, float, float], sides: tuple[int, int], size: tuple[int, int]
) -> Box:
    """Return a box that is centred on another one as far as the frame allows.

    Args:
        around: the other box, (x0, y0, x1, y1).
        sides: width and height, not larger than the frame's.
        size: (height, width) of the frame.
    """
    (wide, high), (height, width) = sides, size
    left = min(max(math.floor((around[0] + around[2] - wide) / 2), 0), width - wide)
    top = min(max(math.floor((around[1] + around[3] - high) / 2), 0), height - high)
    return left, top, left + wide, top + high


def around(boxes: Sequence[Box]) -> Box | None:
    """Return the smallest box around others, or ``None`` if there are none.

    Examples:
        >>> around([(2, 3, 5, 7), (0, 4, 9, 6)])
        (0, 3, 9, 7)
    """
    if not boxes:
        return None
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def area(box: Box) -> int:
    """Return the number of pixels in a box, 0 if its edges are swapped."""
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def centre(box: Box) -> tuple[float, float]:
    """Return the middle (x, y) of a box in pixel coordinates.

    Whole coordinates are the centres of pixels, so that a box of one pixel has that pixel as its
    centre.
    """
    x0, y0, x1, y1 = box
    return (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2
