"""Region similarity J, contour accuracy F, and DAVIS's statistics of them over a sequence.

The measures are those of Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video
Object Segmentation" (CVPR 2016), in the exact form that the official davis2017-evaluation computes:

* **J** is intersection over union; 1 where both masks are empty.
* The **boundary** of a mask is the set of pixels that differ from their right, lower or lower-right
  neighbour, where the image is continued beyond its right and lower edge by repeating the edge.
* **F** is the harmonic mean of precision and recall of the boundary pixels: a pixel is matched when
  the other boundary has a pixel within ``ceil(bound * diagonal)`` pixels (Euclidean distance).
* **Recall** of a sequence is the share of frames above 0.5; **decay** is the mean of the first
  quarter of the frames minus the mean of the last.

Everything here works inside the masks' bounding boxes, which changes no figure.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

BOUND = 0.008
"""Tolerance of F as a share of the image diagonal."""

SMALL_BOUND = 0.1
"""Tolerance of MOSEv2's F as a share of the root of the object's area."""

_NEIGHBOURS = np.ones((2, 2), np.uint8)

Binary = NDArray[np.uint8]
MaskArray = NDArray[Any]


def region_similarity(
    annotation: MaskArray, prediction: MaskArray, void: MaskArray | None = None
) -> float | NDArray[np.float64]:
    """Return J, the intersection over union of two masks.

    Args:
        annotation: bool array of shape (H, W) or (N, H, W); other types count as ``!= 0``.
        prediction: as ``annotation``, of the same shape.
        void: pixels to leave out, of the same shape.

    Returns:
        A float for (H, W), a float64 array of shape (N,) for (N, H, W).

    Raises:
        ValueError: the shapes differ or are not (H, W) or (N, H, W).
    """
    return _per_frame(
        lambda a, b: _similarity_of_areas(*_areas(CroppedMask.of(a), CroppedMask.of(b))),
        annotation,
        prediction,
        void,
    )


def contour_accuracy(
    annotation: MaskArray,
    prediction: MaskArray,
    void: MaskArray | None = None,
    bound: float = BOUND,
) -> float | NDArray[np.float64]:
    """Return F, the F-measure of the boundary pixels of two masks.

    Args:
        annotation: bool array of shape (H, W) or (N, H, W); other types count as ``!= 0``.
        prediction: as ``annotation``, of the same shape.
        void: pixels to clear in both masks before their boundaries are taken, of the same shape.
        bound: distance within which boundary pixels match, as a share of the image diagonal;
            1 or more is a number of pixels.

    Returns:
        A float for (H, W), a float64 array of shape (N,) for (N, H, W).

    Raises:
        ValueError: the shapes differ or are not (H, W) or (N, H, W).
    """
    radius = match_radius(np.shape(annotation)[-2:], bound)
    return _per_frame(
        lambda a, b: _accuracy(CroppedMask.of(a), CroppedMask.of(b), radius),
        annotation,
        prediction,
        void,
    )


def match_radius(shape: tuple[int, ...], bound: float = BOUND) -> int:
    """Return the distance in pixels within which boundary pixels of an (H, W) image match."""
    return math.ceil(bound if bound >= 1 else bound * float(np.linalg.norm(shape)))


def small_radius(area: int, radius: int) -> int:
    """Return the tolerance in pixels of the F of MOSEv2 (arXiv:2508.05630), which it writes as Ḟ.

    DAVIS' tolerance, a share of the image, forgives nearly everything of a small object. Here it is
    no more than a tenth of the root of the object's area, rounded up.

    Args:
        area: pixels of the object in the annotation; 0 leaves the tolerance as it is.
        radius: that of DAVIS, which ``match_radius`` gives.
    """
    return min(radius, math.ceil(SMALL_BOUND * math.sqrt(area))) if area else radius


@dataclass(frozen=True)
class Statistics:
    """What DAVIS reports of one measure over the frames of one object.

    Attributes:
        mean: mean over the frames.
        recall: share of frames above 0.5.
        decay: mean of the first quarter of the frames minus mean of the last; the quarters share
            their border frames, as in the official code.
    """

    mean: float
    recall: float
    decay: float

    @classmethod
    def of(cls, values: ArrayLike) -> "Statistics":
        """Summarise the values of one measure, one a frame; NaN marks frames that do not count.

        All three figures are NaN where no frame counts.
        """
        scores = np.asarray(values, dtype=np.float64)
        scores = scores[~np.isnan(scores)]
        if not scores.size:
            return cls(math.nan, math.nan, math.nan)
        # The official code keeps these positions in 8 bits, so that its decay is wrong for more
        # than 256 frames. The small addend rounds halves up.
        edges = np.round(np.linspace(1, scores.size, 5) + 1e-10).astype(int) - 1
        first = scores[edges[0] : edges[1] + 1]
        last = scores[edges[3] : edges[4] + 1]
        return cls(
            mean=float(scores.mean()),
            recall=float((scores > 0.5).mean()),
            decay=float(first.mean() - last.mean()),
        )


@dataclass(frozen=True)
class CroppedMask:
    """A mask and its boundary, cut out of the image so that later steps touch few pixels.

    Attributes:
        box: (x0, y0, x1, y1) of the cut in the image, x1 and y1 exclusive: the mask's bounding box
            as ``grown_box`` gives it, which holds the whole boundary.
        mask: uint8 array of zeros and ones.
        boundary: uint8 array of zeros and ones.
        area: pixels of the mask.
        length: pixels of the boundary.
    """

    box: tuple[int, int, int, int]
    mask: Binary
    boundary: Binary
    area: int
    length: int

    @classmethod
    def of(cls, mask: Binary, origin: tuple[int, int] = (0, 0)) -> "CroppedMask":
        """Cut a mask out of its image.

        Args:
            mask: uint8 array of shape (H, W) with zeros and ones: the image, or a part of it that
                ``grown_box`` gave.
            origin: (x, y) of the part in the image.
        """
        x0, y0, x1, y1 = grown_box(mask)
        cut = mask[y0:y1, x0:x1]
        if not cut.size:
            return cls((0, 0, 0, 0), cut, cut, 0, 0)
        # Maximum minus minimum of the pixel and its three neighbours to the right and below.
        boundary = cv2.morphologyEx(
            cut, cv2.MORPH_GRADIENT, _NEIGHBOURS, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE
        ).astype(np.uint8, copy=False)
        x, y = origin
        box = x0 + x, y0 + y, x1 + x, y1 + y
        return cls(box, cut, boundary, cv2.countNonZero(cut), cv2.countNonZero(boundary))


def grown_box(image: Binary) -> tuple[int, int, int, int]:
    """Return the bounding box of the pixels that are not 0, grown by a pixel inside the image.

    The growth holds the whole boundary and keeps what lies beyond it out of the definition of the
    boundary: only the image's own border is ever repeated.
    """
    height, width = image.shape
    x, y, w, h = cv2.boundingRect(image)
    if not w:
        return 0, 0, 0, 0
    return max(x - 1, 0), max(y - 1, 0), min(x + w + 1, width), min(y + h + 1, height)


def compare(annotation: CroppedMask, prediction: CroppedMask, radius: int) -> tuple[float, float]:
    """Return J and F of two masks of the same image; ``radius`` is ``match_radius``'s."""
    intersection, union = _areas(annotation, prediction)
    if intersection == union:
        return 1.0, 1.0
    return intersection / union, _accuracy(annotation, prediction, radius)


def _areas(a: CroppedMask, b: CroppedMask) -> tuple[int, int]:
    """Return the pixels of intersection and union."""
    x0, y0 = max(a.box[0], b.box[0]), max(a.box[1], b.box[1])
    x1, y1 = min(a.box[2], b.box[2]), min(a.box[3], b.box[3])
    if x0 >= x1 or y0 >= y1:
        return 0, a.area + b.area
    shared_a, shared_b = (
        r.mask[y0 - r.box[1] : y1 - r.box[1], x0 - r.box[0] : x1 - r.box[0]] for r in (a, b)
    )
    intersection = cv2.countNonZero(cv2.bitwise_and(shared_a, shared_b))
    return intersection, a.area + b.area - intersection


def _similarity_of_areas(intersection: int, union: int) -> float:
    return intersection / union if union else 1.0


def _accuracy(annotation: CroppedMask, prediction: CroppedMask, radius: int) -> float:
    if not annotation.length or not prediction.length:
        # Both empty is perfect; one empty has either no precision or no recall.
        return float(annotation.length == prediction.length)
    if _gap(annotation, prediction) >= radius:
        return 0.0
    x0, y0 = (min(annotation.box[i], prediction.box[i]) for i in (0, 1))
    x1, y1 = (max(annotation.box[i], prediction.box[i]) for i in (2, 3))
    true, predicted = (_paste(r, (x0, y0, x1, y1)) for r in (annotation, prediction))
    precision = _count_matched(predicted, true, radius) / prediction.length
    recall = _count_matched(true, predicted, radius) / annotation.length
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _gap(a: CroppedMask, b: CroppedMask) -> int:
    """Return how many pixels lie between two boxes, along the axis where they are further apart."""
    return max(max(a.box[i], b.box[i]) - min(a.box[i + 2], b.box[i + 2]) for i in (0, 1))


def _paste(region: CroppedMask, window: tuple[int, int, int, int]) -> Binary:
    """Return a region's boundary in a window that contains its box."""
    canvas = np.zeros((window[3] - window[1], window[2] - window[0]), np.uint8)
    x0, y0, x1, y1 = region.box
    canvas[y0 - window[1] : y1 - window[1], x0 - window[0] : x1 - window[0]] = region.boundary
    return canvas


def _count_matched(boundary: Binary, other: Binary, radius: int) -> int:
    """Count the pixels of ``boundary`` that have a pixel of ``other`` within ``radius``.

    The definition dilates ``other`` with a disk. The disk is the union of a few rectangles, which
    dilate much faster, and the first, nearly a square, settles most pixels of a good prediction.
    """
    total = cv2.countNonZero(boundary)
    missing = boundary
    for rectangle in _disk(radius):
        missing = cv2.subtract(missing, cv2.dilate(other, rectangle)).astype(np.uint8, copy=False)
        if not cv2.countNonZero(missing):
            return total
        x, y, w, h = cv2.boundingRect(missing)
        # What may still match lies no further than the radius from what is missing.
        window = (
            slice(max(y - radius, 0), y + h + radius),
            slice(max(x - radius, 0), x + w + radius),
        )
        missing, other = missing[window], other[window]
    return total - cv2.countNonZero(missing)


@lru_cache
def _disk(radius: int) -> tuple[Binary, ...]:
    """Return kernels of ones that make up the disk ``x² + y² <= radius²``, the largest first."""
    half_widths = [math.isqrt(radius * radius - y * y) for y in range(radius + 1)]
    kernels = [
        np.ones((2 * y + 1, 2 * half_width + 1), np.uint8)
        for y, half_width in enumerate(half_widths)
        if y == radius or half_widths[y + 1] < half_width
    ]
    return tuple(sorted(kernels, key=np.size, reverse=True))


def _per_frame(
    measure: Callable[[Binary, Binary], float],
    annotation: MaskArray,
    prediction: MaskArray,
    void: MaskArray | None,
) -> float | NDArray[np.float64]:
    """Apply a measure of two uint8 masks to (H, W) or (N, H, W) masks of any type."""
    shape = np.shape(annotation)
    given = [annotation, prediction] if void is None else [annotation, prediction, void]
    if any(np.shape(masks) != shape for masks in given) or len(shape) not in (2, 3):
        shapes = ", ".join(str(np.shape(masks)) for masks in given)
        raise ValueError(f"masks must have one shape, (H, W) or (N, H, W), found {shapes}")
    masks = [np.asarray(mask) != 0 for mask in given]
    if void is not None:
        masks = [mask & ~masks[2] for mask in masks[:2]]
    true, predicted = (mask.view(np.uint8) for mask in masks)
    if len(shape) == 2:
        return measure(true, predicted)
    return np.array([measure(t, p) for t, p in zip(true, predicted, strict=True)])
