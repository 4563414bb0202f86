"""Make what is not an object step back: darkened and grey, or out of focus."""

import cv2
import numpy as np
from numpy.typing import NDArray

_DARKNESS = 0.28  # of the brightness that the background keeps
_GREYNESS = 0.7
_BLUR = 0.03  # sigma in parts of the picture's short side
_FEATHER = 0.003  # of the short side, over which object and background blend


def dim_background(rgb: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame whose background is dark and nearly grey, as if under a spotlight.

    Args:
        rgb: uint8 array of shape (H, W, 3).
        labels: uint8 array of shape (H, W); 0 is background.

    Returns:
        A new uint8 array of shape (H, W, 3).
    """
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    keep = _DARKNESS * (1 - _GREYNESS)
    dimmed = cv2.addWeighted(rgb, keep, grey, _DARKNESS * _GREYNESS, 0)
    return _behind(rgb, np.asarray(dimmed, np.uint8), labels)


def blur_background(rgb: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame whose background is out of focus.

    The objects' own colours stay out of the blur, so that they have no halo. See
    ``dim_background`` for the arguments.
    """
    height, width = labels.shape
    # A strong blur looks the same from a small picture, and costs a fraction of it.
    scale = max(1, round(min(height, width) * _BLUR / 4))
    size = (max(1, width // scale), max(1, height // scale))
    weight = cv2.resize((labels == 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    visible = np.where((labels == 0)[..., None], rgb, np.uint8(0))
    colours = cv2.resize(visible, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    sigma = max(0.5, min(height, width) * _BLUR / scale)
    spread = cv2.GaussianBlur(colours, (0, 0), sigma)
    share = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    blurred = np.clip(spread / np.maximum(share, 1e-3), 0, 255)
    large = cv2.resize(blurred.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    return _behind(rgb, np.asarray(large, np.uint8), labels)


def _behind(
    rgb: NDArray[np.uint8], background: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Put another background behind the objects, with soft edges."""
    mask = (labels > 0).astype(np.float32)
    blurred = cv2.GaussianBlur(mask, (0, 0), max(0.6, _FEATHER * min(labels.shape)))
    soft = np.asarray(blurred, np.float32)
    return np.asarray(cv2.blendLinear(rgb, background, soft, 1 - soft), np.uint8)
