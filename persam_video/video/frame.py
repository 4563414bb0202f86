"""One frame of a source."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        index: position in the source, counted from 0 before ``start``/``stride`` are applied.
        rgb: uint8 array of shape (H, W, 3), display rotation applied.
        time: presentation time in seconds from the start of the source.
    """

    index: int
    rgb: NDArray[np.uint8]
    time: float
