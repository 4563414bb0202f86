"""How far two runs agree, frame by frame, and how good each is where the truth is known."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from persam_video.davis.metrics import CroppedMask, compare, match_radius
from persam_video.results import FrameResult
from persam_video.video import Frame

Labels = NDArray[np.uint8]

_APART = 5
"""Frames that differ are named at least so many frames apart."""


@dataclass(frozen=True)
class Quality:
    """J and F of one mask, each 0 to 1."""

    j: float
    f: float

    @property
    def mean(self) -> float:
        """J&F."""
        return (self.j + self.f) / 2


@dataclass(frozen=True)
class FrameAgreement:
    """One frame of two runs.

    Attributes:
        frame: its index.
        iou: intersection over union of the two masks of each object, by id; 1 if both are empty.
        a: quality of the first run's masks, by id; empty where no truth is known.
        b: the same for the second run.
    """

    frame: int
    iou: Mapping[int, float]
    a: Mapping[int, Quality] = field(default_factory=dict)
    b: Mapping[int, Quality] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean IoU over the objects; 1 if there are none."""
        return sum(self.iou.values()) / len(self.iou) if self.iou else 1.0


@dataclass(frozen=True)
class ObjectAgreement:
    """One object of two runs; figures are NaN where nothing counts.

    Attributes:
        object_id: its id.
        name: its name; ``None`` if it has none.
        iou: mean IoU over the frames.
        least: the lowest IoU.
        frame: index of the frame that has it.
        a: mean J&F of the first run.
        b: mean J&F of the second run.
    """

    object_id: int
    name: str | None
    iou: float
    least: float
    frame: int
    a: float
    b: float


def agreement(
    index: int, a: FrameResult, b: FrameResult, truth: Labels | None = None
) -> FrameAgreement:
    """Compare the results of two runs in one frame.

    Args:
        index: of the frame.
        a: result of the first run.
        b: result of the second run, with labels of the same shape.
        truth: the true labels, uint8 (H, W), where they are known.
    """
    ids = sorted({known.object_id for result in (a, b) for known in result.objects})
    iou = {i: _iou(a.labels == i, b.labels == i) for i in ids}
    if truth is None:
        return FrameAgreement(index, iou)
    radius = match_radius(truth.shape)
    true = {i: CroppedMask.of((truth == i).view(np.uint8)) for i in np.unique(truth).tolist() if i}
    return FrameAgreement(
        index,
        iou,
        {i: _quality(a.labels, i, region, radius) for i, region in true.items()},
        {i: _quality(b.labels, i, region, radius) for i, region in true.items()},
    )


def together(
    a: Iterable[tuple[Frame, FrameResult]], b: Iterable[tuple[Frame, FrameResult]]
) -> Iterator[tuple[Frame, FrameResult, FrameResult]]:
    """Give the frames that both runs have, in order of their index."""
    others = iter(b)
    other = next(others, None)
    for frame, result in a:
        while other is not None and other[1].index < result.index:
            other = next(others, None)
        if other is None:
            return
        if other[1].index == result.index:
            yield frame, result, other[1]


def by_object(
    frames: Iterable[FrameAgreement], names: Mapping[int, str | None]
) -> tuple[ObjectAgreement, ...]:
    """Summarise the objects over all frames, in order of id, with their names."""
    found = list(frames)
    ids = sorted({i for compared in found for part in (compared.iou, compared.a) for i in part})
    return tuple(_summary(object_id, names.get(object_id), found) for object_id in ids)


def most_different(frames: Iterable[FrameAgreement], most: int) -> tuple[FrameAgreement, ...]:
    """Return the frames that differ most, by their mean IoU, the worst first.

    Of neighbours the worst is named, and frames that are equal are not.
    """
    kept: list[FrameAgreement] = []
    for compared in sorted(frames, key=lambda compared: (compared.mean, compared.frame)):
        if len(kept) == most or compared.mean == 1:
            break
        if all(abs(compared.frame - other.frame) >= _APART for other in kept):
            kept.append(compared)
    return tuple(kept)


def _summary(object_id: int, name: str | None, frames: list[FrameAgreement]) -> ObjectAgreement:
    iou = {
        compared.frame: compared.iou[object_id] for compared in frames if object_id in compared.iou
    }
    worst = min(iou, key=lambda index: iou[index], default=-1)
    return ObjectAgreement(
        object_id,
        name,
        _mean(list(iou.values())),
        iou.get(worst, np.nan),
        worst,
        _mean([compared.a[object_id].mean for compared in frames if object_id in compared.a]),
        _mean([compared.b[object_id].mean for compared in frames if object_id in compared.b]),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = int(np.count_nonzero(a | b))
    return np.count_nonzero(a & b) / union if union else 1.0


def _quality(labels: Labels, object_id: int, true: CroppedMask, radius: int) -> Quality:
    return Quality(*compare(true, CroppedMask.of((labels == object_id).view(np.uint8)), radius))
