"""Simulated clicks: in the middle of the largest wrong region, where a person would click.

Source: Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for Interactive
Segmentation" (RITM), ICIP 2022, section 4.
"""

import cv2
import numpy as np
from numpy.typing import NDArray


def next_click(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[int, int, bool] | None:
    """Return the next click.

    Args:
        mask: bool (H, W), the current mask.
        truth: bool (H, W).
        known: bool (H, W), where the truth is known.

    Returns:
        (x, y, whether the object is there): the pixel farthest from the border of the missing or
        surplus region; ``None`` if the mask is right.
    """
    found = []
    for wrong, positive in ((truth & ~mask & known, True), (mask & ~truth & known, False)):
        # the picture's border counts as a border
        padded = np.pad(wrong, 1).astype(np.uint8)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = divmod(int(depth.argmax()), depth.shape[1])
        found.append((float(depth[y, x]), (x, y, positive)))
    deepest, click = max(found)
    return click if deepest > 0 else None
