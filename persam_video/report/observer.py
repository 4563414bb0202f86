"""What a report measures in each frame: where objects are, and whether they look as they did."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.report.findings import ObjectFacts
from persam_video.results import FrameResult, ObjectState

_LONG_SIDE = 320
"""Pixels of the pictures that are compared: enough for colours and for motion."""

_LEVELS = 8
"""Levels of lightness and of each colour axis in a histogram."""

_COLOURS = (64, 192)
"""Range of the colour axes of CIELAB, 0 to 255, that the levels divide; few colours lie outside."""

_FEW = 12
"""Pixels below which a histogram says nothing."""


class Observer:
    """Measures a video's results frame by frame; it keeps the frame before and a histogram each.

    Colours are compared by the Bhattacharyya coefficient of their histograms in CIELAB. What passes
    from one object to another is found by optical flow (DIS, Kroeger et al. 2016): it tells where a
    pixel was in the frame before, and the two label maps whose it was and is.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._first: dict[int, NDArray[np.float64]] = {}
        self._before: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def see(
        self, result: FrameResult, rgb: NDArray[np.uint8] | None = None
    ) -> dict[int, ObjectFacts]:
        """Measure the next frame.

        Args:
            result: of the frame.
            rgb: the frame, uint8 (H, W, 3); without it, colours and motion stay unknown.

        Returns:
            What is known of each object, by id.
        """
        likeness: Mapping[int, float] = {}
        passed: Mapping[int, Mapping[int, float]] = {}
        if rgb is not None:
            ids = [known.object_id for known in result.objects if known.area]
            size = _size(result.labels.shape)
            labels = cv2.resize(result.labels, size, interpolation=cv2.INTER_NEAREST)
            small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
            grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
            likeness = self._compared(np.asarray(small), np.asarray(labels), ids)
            passed = self._passed(np.asarray(grey), np.asarray(labels))
            self._before = np.asarray(grey), np.asarray(labels)
        return {
            known.object_id: ObjectFacts(
                known.state is ObjectState.LOST,
                known.score,
                known.area,
                known.box,
                likeness.get(known.object_id),
                passed.get(known.object_id, {}),
            )
            for known in result.objects
        }

    def _compared(
        self, rgb: NDArray[np.uint8], labels: NDArray[np.uint8], ids: Sequence[int]
    ) -> dict[int, float]:
        """Compare each object's colours with those of the first frame that shows it."""
        bins = _bins(rgb)
        likeness = {}
        for object_id in ids:
            counts = np.bincount(bins[labels == object_id], minlength=_LEVELS**3)
            if counts.sum() < _FEW:
                continue
            shares = counts / counts.sum()
            first = self._first.setdefault(object_id, shares)
            likeness[object_id] = min(float(np.sqrt(shares * first).sum()), 1.0)
        return likeness

    def _passed(
        self, grey: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> dict[int, dict[int, float]]:
        """Return the share of each object that belongs to each other one now."""
        if self._before is None or self._before[0].shape != grey.shape:
            return {}
        old_grey, old_labels = self._before
        if len(np.unique(labels)) < 3:  # the background and one object
            return {}
        flow = np.zeros((*grey.shape, 2), np.float32)
        self._flow.calc(grey, old_grey, flow)
        columns, rows = np.meshgrid(
            np.arange(grey.shape[1], dtype=np.float32), np.arange(grey.shape[0], dtype=np.float32)
        )
        were = cv2.remap(
            old_labels,
            columns + flow[..., 0],
            rows + flow[..., 1],
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
        )
        both = (were > 0) & (labels > 0) & (were != labels)
        pairs, counts = np.unique(
            were[both].astype(np.int64) * 256 + labels[both], return_counts=True
        )
        areas = np.bincount(old_labels.ravel(), minlength=256)
        passed: dict[int, dict[int, float]] = {}
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            giver, taker = divmod(pair, 256)
            if areas[giver] >= _FEW:
                passed.setdefault(giver, {})[taker] = count / float(areas[giver])
        return passed


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return width and height of the small picture of a frame (H, W)."""
    scale = min(1.0, _LONG_SIDE / max(shape))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _bins(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the place of each pixel's colour in a histogram: int64 (H, W)."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.int64)
    low, high = _COLOURS
    lightness = lab[..., 0] * _LEVELS // 256
    colours = np.clip((lab[..., 1:] - low) * _LEVELS // (high - low), 0, _LEVELS - 1)
    bins: NDArray[np.int64] = (lightness * _LEVELS + colours[..., 0]) * _LEVELS + colours[..., 1]
    return bins
