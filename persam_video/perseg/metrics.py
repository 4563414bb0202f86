"""IoU and boundary IoU, in the pooled form that PerSAM's evaluation takes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

BOUNDARY = 0.02
"""Width of the boundary as a share of the image's diagonal."""


@dataclass(frozen=True)
class ScoredImage:
    """An image that was segmented, with its masks.

    Attributes:
        shown: name of the object.
        name: of the image.
        rgb: uint8 (H, W, 3).
        truth: bool (H, W).
        found: bool (H, W), the mask to be judged.
        iou: intersection over union, 0 to 1.
        boundary_iou: the same of the boundary regions.
    """

    shown: str
    name: str
    rgb: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    iou: float
    boundary_iou: float


@dataclass(frozen=True)
class Overlap:
    """Pixels that two masks share, and pixels that either has; overlaps can be added.

    Attributes:
        intersection: pixels of both.
        union: pixels of either.
    """

    intersection: int = 0
    union: int = 0

    @classmethod
    def of(cls, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> "Overlap":
        """Count the pixels of two bool (H, W) masks."""
        return cls(int(np.count_nonzero(first & second)), int(np.count_nonzero(first | second)))

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(self.intersection + other.intersection, self.union + other.union)

    @property
    def iou(self) -> float:
        """Intersection over union, 0 to 1; 1 for two empty masks."""
        return self.intersection / self.union if self.union else 1.0


def boundary_region(mask: NDArray[np.bool_], ratio: float = BOUNDARY) -> NDArray[np.bool_]:
    """Return the pixels of a mask that are near its contour.

    Near is within ``ratio`` of the image's diagonal, rounded, at least a pixel, along rows, columns
    and diagonals; the image's border cuts a mask off, so it is contour too. Source: Cheng et al.,
    "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021.

    Args:
        mask: bool (H, W).
        ratio: share of the diagonal.
    """
    reach = max(1, round(ratio * float(np.hypot(*mask.shape))))
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    inner = cv2.erode(
        mask.astype(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=(0.0,)
    )
    near: NDArray[np.bool_] = mask & (inner == 0)
    return near


def boundary_overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Overlap:
    """Compare the boundary regions of two bool (H, W) masks: its IoU is the boundary IoU."""
    return Overlap.of(boundary_region(first), boundary_region(second))
