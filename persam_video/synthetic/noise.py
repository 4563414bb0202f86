"""Fractal noise: the raw material of natural-looking surfaces."""

import cv2
import numpy as np
from numpy.typing import NDArray


def fractal_noise(
    shape: tuple[int, int], rng: np.random.Generator, *, period: float, octaves: int
) -> NDArray[np.float32]:
    """Return value noise over several octaves, each half as strong and twice as fine.

    Args:
        shape: (H, W) of the result.
        rng: source of the random values.
        period: size in pixels of the coarsest features.
        octaves: number of layers.

    Returns:
        float32 array of shape (H, W) with mean 0 and standard deviation 1.
    """
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cell = period / 2**octave
        if cell < 1:
            break
        grid = (int(height / cell) + 3, int(width / cell) + 3)
        values = rng.standard_normal(grid).astype(np.float32)
        # Every octave gets its own offset, so that the grids do not line up.
        offset = rng.uniform(0, 1, 2)
        matrix = np.array([[1 / cell, 0, offset[0] + 0.5], [0, 1 / cell, offset[1] + 0.5]])
        layer = cv2.warpAffine(
            values, matrix, (width, height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        )
        total += layer * np.float32(0.5**octave)
    total -= total.mean()
    return np.asarray(total / max(float(total.std()), 1e-6), np.float32)


def smoothstep(low: float, high: float, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 0 below ``low``, 1 above ``high`` and a smooth ramp between, for each value."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
