"""Where a person would click next: in the middle of the largest region that is wrong.

Source: Sofiiuk et al., "Reviving Iterative Training with Mask Guidance for Interactive
Segmentation" (RITM), ICIP 2022, section 4.
"""

import cv2
import numpy as np
from numpy.typing import NDArray


def next_click(
    mask: NDArray[np.bool_], truth: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[int, int, bool] | None:
    """Return where the next click goes.

    Args:
        mask: bool (H, W), the answer so far.
        truth: bool (H, W).
        known: bool (H, W), where the truth is known.

    Returns:
        (x, y, whether the object is there): the pixel that is farthest from the border of what is
        missing or of what is too much; ``None`` where nothing is wrong.
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
