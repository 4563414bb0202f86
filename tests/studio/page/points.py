"""Where to click."""

import cv2
import numpy as np


def deepest_point(mask: np.ndarray) -> tuple[float, float]:
    """Return the point of a mask that is farthest from its outline, x and y in pixels."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5
