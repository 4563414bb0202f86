"""Frames as JPEG files for a page."""

import cv2
import numpy as np
from numpy.typing import NDArray

THUMB_HEIGHT = 48
_QUALITY = 88


def scaled(
    rgb: NDArray[np.uint8], width: int | None = None, height: int | None = None
) -> NDArray[np.uint8]:
    """Scale a picture down to a width or a height; return a smaller one unchanged.

    Args:
        rgb: uint8 (H, W, 3).
        width: in pixels.
        height: in pixels.
    """
    own_height, own_width = rgb.shape[:2]
    factor = min(1.0, (width or own_width) / own_width, (height or own_height) / own_height)
    if factor == 1:
        return rgb
    size = max(1, round(own_width * factor)), max(1, round(own_height * factor))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(rgb: NDArray[np.uint8], quality: int = _QUALITY) -> bytes:
    """Encode a picture, uint8 RGB (H, W, 3), as JPEG."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
