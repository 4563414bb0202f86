"""Scene cuts, found frame by frame as a video is read."""

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.video.picture import Pixels, small_of

PICTURE_SHAPE = (72, 128, 3)
"""Shape of the small pictures that are compared, whatever the frame's proportions."""

_COLOURS_CHANGED = 0.18
"""Distance of two histograms above which a frame may begin a new scene."""

_STRUCTURE_CHANGED = 0.15
"""It does if the rest cannot be explained by motion either: one minus the correlation with the
frame before, moved. Flashes and exposure change the colours alone."""

_FLAT = 2.0
"""Standard deviation of grey levels below which a picture has no structure to compare."""

_LIGHTNESS, _TONES = 12, 16
"""Levels of a histogram along the axes of CIELAB; the tones divide the middle half of theirs."""


class CutDetector:
    """Tells hard cuts by the colours and the structure of a frame and the one before.

    Colours are compared by the Bhattacharyya coefficient of their histograms in CIELAB; where they
    differ, the frame before is moved by optical flow (DIS, Kroeger et al. 2016) and correlated with
    the frame. Fades and dissolves are no cuts.

    Attributes:
        picture: the frame before, uint8 RGB of ``PICTURE_SHAPE``; ``None`` before the first. The
            next answer depends on nothing else.

    Examples:
        >>> detector = CutDetector()
        >>> rng = np.random.default_rng(1)
        >>> indoors = rng.integers(0, 90, (48, 64, 3), np.uint8)
        >>> outdoors = rng.integers(90, 250, (48, 64, 3), np.uint8)
        >>> [detector.sees_cut(frame) for frame in (indoors, indoors, outdoors, outdoors)]
        [False, False, True, False]
    """

    def __init__(self, picture: NDArray[np.uint8] | None = None) -> None:
        self.picture = picture

    def sees_cut(self, frame: Pixels) -> bool:
        """Take the next frame, and return whether a new scene begins with it."""
        height, width = PICTURE_SHAPE[:2]
        picture = small_of(frame, width, height)
        before, self.picture = self.picture, picture
        if before is None or _distance(before, picture) <= _COLOURS_CHANGED:
            return False
        return _unexplained(before, picture) > _STRUCTURE_CHANGED


def _distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return how far the colours of two pictures differ, 0 to 1."""
    return 1 - float((_histogram(one) * _histogram(other)).sum())


def _histogram(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the square roots of the shares of each colour."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.int64)
    lightness = lab[..., 0] * _LIGHTNESS // 256
    tones = np.clip((lab[..., 1:] - 64) * _TONES // 128, 0, _TONES - 1)
    bins = (lightness * _TONES + tones[..., 0]) * _TONES + tones[..., 1]
    counts = np.bincount(bins.ravel(), minlength=_LIGHTNESS * _TONES * _TONES)
    return np.sqrt(counts / bins.size)


def _unexplained(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Return one minus the correlation of a picture with the one before, moved onto it."""
    old, new = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (before, after))
    if min(old.std(), new.std()) < _FLAT:
        return 0.0
    flow = np.zeros((*new.shape, 2), np.float32)
    cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(new, old, flow)
    rows, columns = np.indices(new.shape, np.float32)
    moved = cv2.remap(
        old,
        columns + flow[..., 0],
        rows + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if moved.std() < _FLAT:
        return 1.0
    return 1 - float(np.corrcoef(moved.ravel(), new.ravel())[0, 1])
