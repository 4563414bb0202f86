"""The measures of VOTS.

Kristan et al., "The First Visual Object Tracking Segmentation VOTS2023 Challenge Results", ICCVW
2023: quality Q, the mean overlap, which is 1 where an object is absent and no mask is reported;
accuracy, the mean overlap of the frames in which the object is tracked; robustness, the share of
these among the frames in view; the shares of frames in view without a reported mask (NRE) or with a
mask elsewhere (DRE); and the share of frames without the object in which none is reported (ADQ).
Each is averaged over the objects of a sequence, and over the sequences. The frame in which an
object is given is not scored here; the VOT toolkit counts it as missed.
"""

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.davis.labels import read_labels
from persam_video.errors import ConfigError, DatasetError
from persam_video.util.machine import available_cores
from persam_video.util.table import Row, Table
from persam_video.video.image_decoder import read_image
from persam_video.vos.vots import Trajectory, VotsDataset

ABSENCES = 10
"""ADQ needs more frames without the object than this."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Quality:
    """The measures of an object, a sequence or a set; NaN where a measure is undefined.

    Attributes:
        quality: Q.
        accuracy: mean overlap of tracked frames; 0 without any.
        robustness: share of tracked frames among those in view.
        not_reported: NRE.
        drift: DRE.
        absence: ADQ.
    """

    quality: float
    accuracy: float
    robustness: float
    not_reported: float
    drift: float
    absence: float

    @classmethod
    def of(
        cls, overlaps: NDArray[np.float64], in_view: BoolArray, reported: BoolArray
    ) -> "Quality":
        """Measure an object.

        Args:
            overlaps: intersection over union of each scored frame, float64 of shape (T,); 1 where
                both masks are empty.
            in_view: whether the ground truth has a mask, bool of shape (T,).
            reported: whether the result has one.
        """
        tracked = in_view & (overlaps > 0)
        absent = ~in_view
        visible = int(in_view.sum())

        def share(frames: BoolArray) -> float:
            return int(frames.sum()) / visible if visible else math.nan

        return cls(
            float(overlaps.mean()) if overlaps.size else math.nan,
            (float(overlaps[tracked].mean()) if tracked.any() else 0.0) if visible else math.nan,
            share(tracked),
            share(in_view & ~tracked & ~reported),
            share(in_view & ~tracked & reported),
            float((~reported[absent]).mean()) if int(absent.sum()) > ABSENCES else math.nan,
        )

    @classmethod
    def mean(cls, several: Iterable["Quality"]) -> "Quality":
        """Average each measure over the objects or sequences that have it."""
        values = np.array([[getattr(one, key) for key in _KEYS] for one in several])
        means = [column[~np.isnan(column)] for column in values.reshape(-1, len(_KEYS)).T]
        return cls(*(float(column.mean()) if column.size else math.nan for column in means))


_KEYS = [entry.name for entry in fields(Quality)]
_HEADINGS = ("Q", "Accuracy", "Robustness", "NRE", "DRE", "ADQ")


@dataclass(frozen=True)
class SequenceQuality:
    """The measures of a sequence.

    Attributes:
        name: the sequence.
        objects: measures of each object, by name.
        mean: mean over the objects.
    """

    name: str
    objects: dict[str, Quality]
    mean: Quality


@dataclass(frozen=True)
class VotsEvaluation:
    """The measures of a set.

    Attributes:
        results: folder of the results.
        mean: mean over the sequences.
        sequences: measures of the sequences, in the order of the list.
    """

    results: Path
    mean: Quality
    sequences: tuple[SequenceQuality, ...]

    def tables(self) -> tuple[Table, Table]:
        """Return a table of the set and one of the objects."""
        rows: tuple[Row, ...] = tuple(
            (f"{sequence.name}_{name}", *_row(one))
            for sequence in self.sequences
            for name, one in sequence.objects.items()
        )
        return (
            Table("Global results for VOTS", _HEADINGS, (_row(self.mean),)),
            Table("Results of each object", ("Object", *_HEADINGS), rows),
        )


def _row(one: Quality) -> tuple[float, ...]:
    return tuple(getattr(one, key) for key in _KEYS)


def evaluate_vots(
    results: str | Path,
    dataset: VotsDataset,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> VotsEvaluation:
    """Score a folder of results against VOTS.

    Args:
        results: folder with ``<sequence>/<frame>.png``, as ``persam-video benchmark`` leaves it.
        dataset: the set to score against.
        workers: threads that score sequences; by default one per core.
        on_progress: called with the number of sequences done and the total.

    Raises:
        DatasetError: something is missing or unusable, with one line per fault; nothing was
            scored.
        ConfigError: ``workers`` is less than 1.
    """
    results = Path(results)
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be 1 or more, found {workers}")
    if not results.is_dir():
        raise DatasetError(f"{results}: no such folder; give the folder of the results")
    sequences, faults = [], []
    with ThreadPoolExecutor(workers or available_cores()) as pool:
        outcomes = pool.map(partial(_sequence, results, dataset), dataset.names)
        for done, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, SequenceQuality):
                sequences.append(outcome)
            else:
                faults.append(outcome)
            on_progress(done, len(dataset.names))
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise DatasetError("\n".join([f"nothing was scored because of {count}:", *faults]))
    return VotsEvaluation(results, Quality.mean(one.mean for one in sequences), tuple(sequences))


def _sequence(results: Path, dataset: VotsDataset, name: str) -> SequenceQuality | str:
    """Measure a sequence, or return what is wrong with it."""
    try:
        return _measured(results, dataset, name)
    except DatasetError as error:
        return str(error)


def _measured(results: Path, dataset: VotsDataset, name: str) -> SequenceQuality:
    trajectories = dataset.trajectories(name)
    begins = {one: trajectory.begin() for one, trajectory in trajectories.items()}
    ignored, tagged = dataset.ignored(name), dataset.tagged(name)
    images = dataset.images(name)
    height, width = read_image(images[0]).shape[:2]
    found: dict[str, list[tuple[float, bool, bool]]] = {one: [] for one in trajectories}
    for index, image in enumerate(images):
        counting = [
            one
            for one, trajectory in trajectories.items()
            if begins[one] < index < len(trajectory.lines) and (tagged is None or index in tagged)
        ]
        if not counting:
            continue
        path = results / name / f"{image.stem}.png"
        size = height, width
        labels = read_labels(path, size)
        if (highest := int(labels.max())) > len(trajectories):
            raise DatasetError(
                f"{path}: holds label {highest}; {name} has {len(trajectories)} objects"
            )
        leave = _mask(ignored, index, size)
        for label, (one, trajectory) in enumerate(trajectories.items(), start=1):
            truth = _mask(trajectory, index, size) if one in counting else None
            if truth is not None:
                found[one].append(_compared(truth, labels == label, leave))
    if not any(found.values()):
        raise DatasetError(
            f"{dataset.root / name}: none of its scored frames has public ground truth; only the "
            "server of VOTS can score it"
        )
    objects = {}
    for one, frames in found.items():
        columns = np.array(frames, np.float64).reshape(-1, 3).T
        objects[one] = Quality.of(columns[0], columns[1] > 0, columns[2] > 0)
    return SequenceQuality(name, objects, Quality.mean(objects.values()))


def _mask(trajectory: Trajectory | None, index: int, size: tuple[int, int]) -> BoolArray | None:
    mask = None if trajectory is None else trajectory.at(index)
    return None if mask is None else mask.on_frame(size)


def _compared(
    truth: BoolArray, predicted: BoolArray, leave: BoolArray | None
) -> tuple[float, bool, bool]:
    """Return the overlap of two masks, and whether each of them is present."""
    in_view, reported = bool(truth.any()), bool(predicted.any())
    if leave is not None:
        truth, predicted = truth & ~leave, predicted & ~leave
    union = int((truth | predicted).sum())
    overlap = int((truth & predicted).sum()) / union if union else 1.0
    return overlap, in_view, reported
