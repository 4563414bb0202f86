"""How often each value of a label map occurs."""

import cv2
import numpy as np
from numpy.typing import NDArray

_EXACT = 2**24
"""Up to this, all whole numbers are there in single precision."""


def counts_of_values(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how often each of the 256 values of a byte occurs in an array (H, W)."""
    counts = np.zeros(256, np.int64)
    # many times faster than numpy's, whose numbers take eight bytes each; the result is in single
    # precision, which is exact for parts of this size
    rows = max(1, _EXACT // max(values.shape[1], 1))
    for begin in range(0, len(values), rows):
        part = np.ascontiguousarray(values[begin : begin + rows])
        counts += cv2.calcHist([part], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return counts
