"""Scores of a sequence, gathered one frame at a time.

Memory is bounded by a frame: of each frame only two numbers an object are kept.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from persam_video.davis.metrics import (
    CroppedMask,
    Statistics,
    compare,
    grown_box,
    match_radius,
    small_radius,
)
from persam_video.errors import DatasetError
from persam_video.masks.labels import VOID

MAX_PROPOSALS = 20
"""Labels that an unsupervised result may use."""

Labels = NDArray[np.uint8]
Scores = NDArray[np.float64]
Presence = NDArray[np.bool_]


@dataclass(frozen=True)
class ObjectScore:
    """One object over the scored frames of its sequence.

    Attributes:
        object_id: the object's label in the annotations.
        region: J of each scored frame, float64 of shape (T,); NaN before the object appears, where
            that matters (see ``SequenceScorer``).
        contour: F of each scored frame.
        proposal: the label that was matched with the object, in the unsupervised task.
        shown: whether the annotation of each scored frame shows the object, bool of shape (T,).
        predicted: whether the prediction does; neither is known in the unsupervised task.
        small_contour: F with the smaller tolerance of ``small_radius``, likewise float64 of shape
            (T,), where it was asked for.
    """

    object_id: int
    region: Scores
    contour: Scores
    proposal: int | None = None
    shown: Presence | None = None
    predicted: Presence | None = None
    small_contour: Scores | None = None

    @cached_property
    def j(self) -> Statistics:
        """Mean, recall and decay of J."""
        return Statistics.of(self.region)

    @cached_property
    def f(self) -> Statistics:
        """Mean, recall and decay of F."""
        return Statistics.of(self.contour)

    @property
    def mean(self) -> float:
        """J&F: the mean of the two means."""
        return (self.j.mean + self.f.mean) / 2


@dataclass(frozen=True)
class SequenceScore:
    """The objects of one sequence.

    Attributes:
        name: the sequence's name.
        frames: names of the scored frames.
        objects: one entry per object, in order of label.
    """

    name: str
    frames: tuple[str, ...]
    objects: tuple[ObjectScore, ...]

    @cached_property
    def j(self) -> Statistics:
        """Mean, recall and decay of J, averaged over the objects."""
        return average(score.j for score in self.objects)

    @cached_property
    def f(self) -> Statistics:
        """Mean, recall and decay of F, averaged over the objects."""
        return average(score.f for score in self.objects)

    @property
    def mean(self) -> float:
        """J&F: the mean of the two means."""
        return (self.j.mean + self.f.mean) / 2


def average(statistics: Iterable[Statistics]) -> Statistics:
    """Average each figure over objects; objects without a scored frame (NaN) do not count."""
    scored = [one for one in statistics if not math.isnan(one.mean)]
    if not scored:
        return Statistics(math.nan, math.nan, math.nan)
    return Statistics(
        mean=float(np.mean([one.mean for one in scored])),
        recall=float(np.mean([one.recall for one in scored])),
        decay=float(np.mean([one.decay for one in scored])),
    )


@dataclass(frozen=True)
class FrameScore:
    """One frame of the semi-supervised task: labels stand for the same object in both maps.

    Attributes:
        truth_ids: labels in the annotation.
        predicted_ids: labels in the prediction.
        values: (J, F) of each label in either; any other label is absent from both, which is 1.
        small_contours: F with the smaller tolerance, likewise, where it was asked for.
    """

    truth_ids: frozenset[int]
    predicted_ids: frozenset[int]
    values: dict[int, tuple[float, float]]
    small_contours: dict[int, float] | None = None


def score_frame(truth: Labels, predicted: Labels, *, small_contours: bool = False) -> FrameScore:
    """Score every label of one frame.

    Args:
        truth: uint8 array of shape (H, W); 0 and the void label 255 are background.
        predicted: uint8 array of the same shape; 0 is background.
        small_contours: compute F with the tolerance of ``small_radius``, too.

    Raises:
        ValueError: the maps are of other types or differ in shape.
    """
    _check(truth, predicted)
    radius = match_radius(truth.shape)
    true, found = _regions(truth), _regions(predicted)
    true.pop(VOID, None)
    empty = CroppedMask.of(np.zeros((1, 1), np.uint8))
    pairs = {
        label: (true.get(label, empty), found.get(label, empty))
        for label in true.keys() | found.keys()
    }
    values = {label: compare(*pair, radius) for label, pair in pairs.items()}
    small = None
    if small_contours:
        small = {
            label: compare(*pair, small_radius(pair[0].area, radius))[1]
            for label, pair in pairs.items()
        }
    return FrameScore(frozenset(true), frozenset(found), values, small)


class SequenceScorer:
    """Gathers the scores of one sequence, frame by frame.

    Examples:
        >>> scorer = SequenceScorer("clip")
        >>> truth = np.zeros((48, 64), np.uint8)
        >>> truth[10:20, 10:20] = 1
        >>> scorer.add(truth, truth)
        >>> scorer.result().mean
        1.0
    """

    def __init__(
        self,
        name: str = "",
        object_ids: Collection[int] | None = None,
        *,
        from_appearance: bool = False,
        counted: Mapping[int, Collection[str]] | None = None,
    ) -> None:
        """Start a sequence.

        Args:
            name: the sequence's name.
            object_ids: labels to score; by default those of the annotations.
            from_appearance: score an object only after the first frame that shows it, which is the
                frame where a method is given it. By default every frame counts.
            counted: names of the frames in which an object counts, by label; of all others, all.
        """
        self._name = name
        self._object_ids = object_ids
        self._from_appearance = from_appearance
        self._counted = counted or {}
        self._frames: list[str] = []
        self._scores: list[FrameScore] = []

    def add(self, truth: Labels, predicted: Labels, frame: str | None = None) -> None:
        """Score the next frame; the label maps are as for ``score_frame``.

        ``frame`` names it in the result, by default with its position.

        Raises:
            ValueError: the maps are of other types or differ in shape.
        """
        self.append(score_frame(truth, predicted), frame)

    def append(self, score: FrameScore, frame: str | None = None) -> None:
        """Take the next frame's scores, computed elsewhere."""
        self._frames.append(f"{len(self._frames):05d}" if frame is None else frame)
        self._scores.append(score)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The labels to score, in order."""
        if self._object_ids is not None:
            return tuple(sorted(self._object_ids))
        return tuple(sorted(frozenset().union(*(score.truth_ids for score in self._scores))))

    def strays(self) -> list[tuple[str, tuple[int, ...]]]:
        """Return the frames with predicted labels that are not objects, and those labels."""
        known = frozenset(self.object_ids)
        return [
            (frame, tuple(sorted(score.predicted_ids - known)))
            for frame, score in zip(self._frames, self._scores, strict=True)
            if not score.predicted_ids <= known
        ]

    def result(self) -> SequenceScore:
        """Return the scores of the frames so far.

        Raises:
            DatasetError: a prediction holds a label that is not an object.
        """
        for frame, labels in self.strays():
            raise DatasetError(
                f"{self._name}: frame {frame} {describe_strays(labels, self.object_ids)}"
            )
        objects = tuple(self._object(label) for label in self.object_ids)
        return SequenceScore(self._name, tuple(self._frames), objects)

    def _object(self, label: int) -> ObjectScore:
        values = np.array([score.values.get(label, (1.0, 1.0)) for score in self._scores])
        values = values.reshape(-1, 2)
        shown = np.array([label in score.truth_ids for score in self._scores], np.bool_)
        predicted = np.array([label in score.predicted_ids for score in self._scores], np.bool_)
        small = None
        if any(score.small_contours is not None for score in self._scores):
            small = np.array([(s.small_contours or {}).get(label, 1.0) for s in self._scores])
        if self._from_appearance:
            values[: shown.argmax() + 1 if shown.any() else None] = np.nan
        if (counted := self._counted.get(label)) is not None:
            values[[frame not in counted for frame in self._frames]] = np.nan
        return ObjectScore(
            label,
            values[:, 0],
            values[:, 1],
            shown=shown,
            predicted=predicted,
            small_contour=small,
        )


def score_masks(
    truth: Iterable[Labels],
    predicted: Iterable[Labels],
    object_ids: Collection[int] | None = None,
    name: str = "",
) -> SequenceScore:
    """Score a sequence of label maps, holding one pair at a time.

    Args:
        truth: label maps as for ``score_frame``, in the order of the frames.
        predicted: as many label maps.
        object_ids: labels to score; by default those of ``truth``.
        name: the sequence's name.

    Raises:
        DatasetError: a prediction holds a label that is not an object.
        ValueError: one of the two sequences is longer, or a pair of maps does not fit.
    """
    scorer = SequenceScorer(name, object_ids)
    for true, found in zip(truth, predicted, strict=True):
        scorer.add(true, found)
    return scorer.result()


@dataclass(frozen=True)
class ProposalFrameScore:
    """One frame of the unsupervised task: every proposal against every object.

    Attributes:
        truth_ids: labels in the annotation.
        values: float64 array of shape (1 + proposals, objects, 2) with J and F; row p is the
            proposal with label p, row 0 the empty proposal, column o the object with label o + 1.
    """

    truth_ids: frozenset[int]
    values: Scores


def score_proposals(truth: Labels, predicted: Labels, objects: int) -> ProposalFrameScore:
    """Score every proposal of one frame against every object.

    Args:
        truth: uint8 array of shape (H, W); 0 is background, 255 marks pixels that do not count.
        predicted: uint8 array of the same shape; 0 is background.
        objects: how many objects there are; their labels are 1 to ``objects``.

    Raises:
        ValueError: the maps are of other types or differ in shape.
    """
    _check(truth, predicted)
    radius = match_radius(truth.shape)
    proposals = int(predicted.max())
    void = truth == VOID
    if void.any():
        predicted = np.where(void, np.uint8(0), predicted)
    true, found = _regions(truth), _regions(predicted)
    true.pop(VOID, None)
    empty = CroppedMask.of(np.zeros((1, 1), np.uint8))
    values = np.array(
        [
            compare(true.get(label, empty), found.get(proposal, empty), radius)
            for proposal in range(proposals + 1)
            for label in range(1, objects + 1)
        ]
    ).reshape(proposals + 1, objects, 2)
    return ProposalFrameScore(frozenset(true), values)


def match_proposals(
    name: str,
    frames: Sequence[str],
    scores: Sequence[ProposalFrameScore],
    object_ids: Collection[int],
) -> SequenceScore:
    """Give each object the proposal that makes the sum of their J&F largest (Hungarian method).

    An object may be left with the empty proposal, where there are too few.

    Args:
        name: the sequence's name.
        frames: names of the scored frames.
        scores: the frames' scores.
        object_ids: labels to score.
    """
    labels = sorted(object_ids)
    proposals = max(len(labels), *(len(score.values) - 1 for score in scores))
    table = np.empty((2, proposals, len(labels), len(scores)))
    columns = [label - 1 for label in labels]
    for position, score in enumerate(scores):
        given = score.values[1:, columns]
        table[..., position] = score.values[0, columns].T[:, None, :]
        table[:, : len(given), :, position] = np.moveaxis(given, -1, 0)
    region, contour = table
    # The official code averages in this order; ties are settled by the last bit.
    quality = (region.mean(axis=2) + contour.mean(axis=2)) / 2
    matched = {
        int(column): int(row) for row, column in zip(*linear_sum_assignment(-quality), strict=True)
    }
    objects = tuple(
        ObjectScore(label, region[row, column], contour[row, column], proposal=row + 1)
        for column, label in enumerate(labels)
        for row in [matched[column]]
    )
    return SequenceScore(name, tuple(frames), objects)


def describe_strays(labels: Iterable[int], object_ids: Iterable[int]) -> str:
    """Describe which labels of a prediction are not objects, for a message that names the place."""
    found, known = (", ".join(map(str, ids)) for ids in (labels, object_ids))
    return f"holds label {found}; the sequence's objects are {known}"


def _check(truth: Labels, predicted: Labels) -> None:
    if truth.dtype != np.uint8 or predicted.dtype != np.uint8 or truth.shape != predicted.shape:
        raise ValueError(
            "label maps must be uint8 arrays of one shape (H, W), found"
            f" {truth.dtype} {truth.shape} and {predicted.dtype} {predicted.shape}"
        )


def _regions(labels: Labels) -> dict[int, CroppedMask]:
    """Cut out the region of every label but 0."""
    x0, y0, x1, y1 = grown_box(labels)
    labels = labels[y0:y1, x0:x1]
    highest = int(labels.max(initial=0))
    # Searching for all labels costs as much as looking for a few dozen.
    candidates = range(1, highest + 1) if highest <= 32 else np.unique(labels[labels > 0]).tolist()
    regions = {
        label: CroppedMask.of((labels == label).view(np.uint8), origin=(x0, y0))
        for label in candidates
    }
    return {label: region for label, region in regions.items() if region.area}
