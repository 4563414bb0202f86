"""Benchmark-specific figures besides J and F.

* YouTube-VOS and LVOS average objects of seen and unseen categories separately, and the four means
  (Xu et al., "YouTube-VOS", ECCV 2018; Hong et al., "LVOS", arXiv:2404.19326). LVOS also has V: how
    much J&F varies over the frames; and J by attribute.
* MOSEv2 (Ding et al., arXiv:2508.05630) has Ḟ, F with a tolerance that shrinks with the object, and
  J&Ḟ while an object has disappeared and after it has reappeared.
* VOST (Tokmakov et al., "Breaking the 'Object' in Video Object Segmentation", CVPR 2023) has J in
  the last quarter of the frames, when objects have been cut or broken.

Figures are means over objects, 0 to 1. (The server of MOSEv2 adds 1 to the intersection and to the
union of J. Here J is the usual one, lower by at most 1 / (area + 1).)
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from persam_video.davis.dataset import read_list
from persam_video.davis.evaluation import Evaluation
from persam_video.davis.scores import ObjectScore, SequenceScore
from persam_video.vos.benchmarks import Benchmark
from persam_video.vos.dataset import VosDataset
from persam_video.vos.meta import read_meta

Scores = NDArray[np.float64]


def own_figures(evaluation: Evaluation, dataset: VosDataset) -> dict[str, float]:
    """Return a benchmark's own figures, by name.

    Raises:
        DatasetError: a list that they need is malformed.
    """
    objects = list(evaluation.objects.values())
    match dataset.benchmark:
        case Benchmark.MOSE:
            return _mose(objects)
        case Benchmark.VOST:
            return {"J-Last": mean(last_quarter(one.region) for one in objects)}
        case Benchmark.LVOS:
            return {
                **_seen_and_unseen(evaluation.sequences, _unseen_sequence(dataset)),
                "V-Mean": mean(variation(one) for one in objects),
                **_by_attribute(evaluation.sequences, dataset),
            }
    return _seen_and_unseen(evaluation.sequences, _unseen_category(dataset))


def mean(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN; NaN if none is left."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def last_quarter(values: Scores) -> float:
    """Return the mean over the last quarter of the frames, as VOST does."""
    return mean(values[math.floor(0.75 * len(values)) :])


def variation(score: ObjectScore) -> float:
    """Return LVOS' V: the standard deviation of J&F over the scored frames."""
    both = (score.region + score.contour) / 2
    both = both[~np.isnan(both)]
    return float(both.std()) if both.size else math.nan


@dataclass(frozen=True)
class Period:
    """Consecutive scored frames in which an object is in view, or out of view.

    Attributes:
        start: position of the first one.
        stop: position after the last one.
        in_view: whether the annotations show the object.
    """

    start: int
    stop: int
    in_view: bool


def periods(shown: NDArray[np.bool_]) -> Iterator[Period]:
    """Split the scored frames, bool of shape (T,), where an object disappears or reappears."""
    edges = [0, *(np.flatnonzero(np.diff(shown)) + 1).tolist(), len(shown)]
    for start, stop in pairwise(edges):
        if start < stop:
            yield Period(start, stop, bool(shown[start]))


def after_change(score: ObjectScore, values: Scores, *, in_view: bool) -> float:
    """Return the mean of a measure over the periods after an object disappears or reappears.

    Args:
        score: the object's scores.
        values: the measure, of shape (T,).
        in_view: periods after it reappears; otherwise, after it disappears. The first scored frame
            is not a change.

    Returns:
        The mean of the periods' means; NaN without such periods.
    """
    assert score.shown is not None  # always available where objects are given
    return mean(
        float(values[period.start : period.stop].mean())
        for period in periods(score.shown)
        if period.start > 0 and period.in_view is in_view
    )


def _mose(objects: list[ObjectScore]) -> dict[str, float]:
    def contour(score: ObjectScore) -> Scores:
        assert score.small_contour is not None  # only for datasets that ask for it
        return score.small_contour

    def changed(*, in_view: bool) -> float:
        measures: tuple[Callable[[ObjectScore], Scores], ...] = (lambda one: one.region, contour)
        means = [
            mean(after_change(one, measure(one), in_view=in_view) for one in objects)
            for measure in measures
        ]
        return sum(means) / 2

    small = mean(float(contour(one).mean()) for one in objects)
    region = mean(one.j.mean for one in objects)
    return {
        "J&Ḟ-Mean": (region + small) / 2,
        "Ḟ-Mean": small,
        "J&Ḟ-Disappearance": changed(in_view=False),
        "J&Ḟ-Reappearance": changed(in_view=True),
    }


_IsUnseen = Callable[[str, int], bool]
"""Whether an object, by sequence and label, is of a category not in the training set."""


def _seen_and_unseen(
    sequences: Iterable[SequenceScore], is_unseen: _IsUnseen | None
) -> dict[str, float]:
    if is_unseen is None:
        return {}
    groups: dict[bool, list[ObjectScore]] = {False: [], True: []}
    for sequence in sequences:
        for score in sequence.objects:
            groups[is_unseen(sequence.name, score.object_id)].append(score)
    seen, unseen = groups[False], groups[True]
    figures = {
        "J-Seen": mean(one.j.mean for one in seen),
        "J-Unseen": mean(one.j.mean for one in unseen),
        "F-Seen": mean(one.f.mean for one in seen),
        "F-Unseen": mean(one.f.mean for one in unseen),
    }
    return {"G": sum(figures.values()) / len(figures), **figures}


def _unseen_category(dataset: VosDataset) -> _IsUnseen | None:
    """Decide by the categories of the training set; ``None`` if that is missing."""
    train = dataset.base.absolute().parent / "train" / "meta.json"
    if dataset.split == "train" or not train.is_file():
        return None
    seen = {
        entry.category
        for entry in chain.from_iterable(one.objects.values() for one in read_meta(train).values())
    }
    return lambda name, label: dataset.meta[name].objects[label].category not in seen


def _unseen_sequence(dataset: VosDataset) -> _IsUnseen | None:
    """Decide by LVOS' list of sequences; ``None`` if that is missing."""
    lists = [folder / "unseen_videos.txt" for folder in (dataset.base, dataset.root)]
    found = next((path for path in lists if path.is_file()), None)
    if found is None:
        return None
    unseen = set(read_list(found))
    return lambda name, label: name in unseen


def _by_attribute(sequences: Iterable[SequenceScore], dataset: VosDataset) -> dict[str, float]:
    """Return J over the objects of the sequences that have an attribute, by attribute."""
    groups: dict[str, list[float]] = {}
    for sequence in sequences:
        for attribute in dict.fromkeys(dataset.attributes(sequence.name)):
            groups.setdefault(attribute, []).extend(one.j.mean for one in sequence.objects)
    return {f"J-{attribute}": mean(groups[attribute]) for attribute in sorted(groups)}
