"""Regions in the format of the VOT challenge: one line of text per frame.

``mx0,y0,w,h,a,b,…`` is a mask: a box, and within it, row by row, the lengths of alternating runs of
0 and 1, beginning with 0. ``0`` means that nothing is known. (Kristan et
al., "The First Visual Object Tracking Segmentation VOTS2023 Challenge Results", ICCVW 2023.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "0"
"""The line of a frame without known mask."""

GIVEN = "1"
"""The line, in results, of the frame with the initial mask."""

_MOST_PIXELS = 1 << 28


@dataclass(frozen=True)
class VotMask:
    """A mask in its box.

    Attributes:
        x: left edge of the box in the frame; may be outside.
        y: top edge.
        pixels: bool (h, w).
    """

    x: int
    y: int
    pixels: NDArray[np.bool_]

    def on_frame(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask in a frame of (H, W) pixels, cropped to it."""
        height, width = self.pixels.shape
        y0, x0 = max(self.y, 0), max(self.x, 0)
        y1, x1 = min(self.y + height, size[0]), min(self.x + width, size[1])
        mask = np.zeros(size, np.bool_)
        if x0 < x1 and y0 < y1:
            mask[y0:y1, x0:x1] = self.pixels[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        return mask


def parse_mask(text: str) -> VotMask | None:
    """Parse a line with a mask.

    Args:
        text: the line.

    Returns:
        The mask; ``None`` if the line means that nothing is known.

    Raises:
        ValueError: the line is neither, or the runs do not fit into the box.

    Examples:
        >>> parse_mask("m2,1,2,2,1,2").pixels.astype(int).tolist()
        [[0, 1], [1, 0]]
    """
    text = text.strip()
    if text == UNKNOWN:
        return None
    if not text.startswith("m"):
        raise ValueError("is not a mask")
    try:
        x, y, width, height, *runs = (int(number) for number in text[1:].split(","))
    except ValueError:
        raise ValueError("is not a list of whole numbers") from None
    if min(width, height, *runs, 0) < 0 or width * height > _MOST_PIXELS:
        raise ValueError("has an impossible run or side")
    if sum(runs) > width * height:
        raise ValueError(f"has runs of {sum(runs)} pixels in a box of {width * height}")
    pixels = np.zeros(width * height, np.bool_)
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    pixels[: len(filled)] = filled
    return VotMask(x, y, pixels.reshape(height, width))


def format_mask(mask: NDArray[np.bool_]) -> str:
    """Format a mask (H, W) as a line.

    Examples:
        >>> format_mask(np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1]], bool))
        'm1,1,2,2,1,3'
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return "m0,0,0,0,0"
    x0, y0 = int(columns[0]), int(rows[0])
    cut = mask[y0 : rows[-1] + 1, x0 : columns[-1] + 1]
    height, width = cut.shape
    edges = np.flatnonzero(np.diff(cut.ravel(), prepend=False)).tolist()
    runs = np.diff([0, *edges, cut.size]).tolist()
    return "m" + ",".join(map(str, (x0, y0, width, height, *runs)))
