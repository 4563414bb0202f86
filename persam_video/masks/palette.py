"""The colour palette of DAVIS and Pascal VOC."""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BITS = 8


@cache
def davis_palette() -> NDArray[np.uint8]:
    """Return the palette: read-only uint8 array of shape (256, 3), one RGB row per label.

    The rule is Pascal VOC's: the bits of a label go to red, green and blue in turn, and
    each channel fills its bits from the most significant down, so that neighbouring labels get
    colours that are far apart.
    """
    labels = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(_BITS):
        channel, place = bit % 3, _BITS - 1 - bit // 3
        palette[:, channel] |= ((labels >> bit & 1) << place).astype(np.uint8)
    palette.setflags(write=False)
    return palette


def colour_rank(colours: ArrayLike) -> NDArray[np.int64]:
    """Return the rank of each colour in the palette's order, extended to all 24 bits.

    This inverts the palette's rule: a palette colour gets its own label and every other RGB
    colour a number from 256 up, with the full red, green, yellow, blue, magenta, cyan and white in
    this order.

    Args:
        colours: integers 0 to 255 of shape (..., 3), RGB.

    Returns:
        Integers of shape (...).
    """
    rgb = np.asarray(colours, np.int64)
    rank = np.zeros(rgb.shape[:-1], np.int64)
    for bit in range(3 * _BITS):
        channel, place = bit % 3, _BITS - 1 - bit // 3
        rank |= (rgb[..., channel] >> place & 1) << bit
    return rank
