"""The rate at which this machine multiplies, to hold others against."""

from statistics import median
from time import process_time

import torch

_REPEATS = 15


def matrix_rate(dtype: torch.dtype, side: int = 1536) -> float:
    """Return the operations per second of each core, in a product of two large matrices.

    By the median of several products, as what is held against it takes medians, too.
    """
    first, second = torch.randn(2, side, side).to(dtype).unbind()
    taken = []
    for _ in range(_REPEATS):
        begun = process_time()
        first @ second
        taken.append(process_time() - begun)
    return 2 * side**3 / median(taken)
