"""The rate at which this machine multiplies, to hold others against."""

from time import process_time

import torch

_REPEATS = 6


def matrix_rate(dtype: torch.dtype, side: int = 1536) -> float:
    """Return the operations per second of each core, in a product of two large matrices."""
    first, second = torch.randn(2, side, side).to(dtype).unbind()
    taken = []
    for _ in range(_REPEATS):
        begun = process_time()
        first @ second
        taken.append(process_time() - begun)
    return float(2 * side**3 / min(taken))
