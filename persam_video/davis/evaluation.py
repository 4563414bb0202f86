"""Scoring a folder of results against a DAVIS set, as the official davis2017-evaluation does.

* Semi-supervised: the first and the last frame of a sequence are left out; an object is a label of
  the first annotation; void pixels (255) count as background, as they do in the official code.
* Unsupervised: every frame counts; every object gets the proposal that fits it best over the whole
  sequence (Hungarian method); void pixels do not count.
* DAVIS 2016: all labels of an annotation or a result are one object.
* YouTube-VOS-like folders: the annotated frames count, for each object from the frame after the
  first one that shows it. (There is no public official code for these.) What other benchmarks ask
  for, and the figures of their own, are in ``persam_video.vos``.

Global figures are means over objects, not over sequences or frames.

The figures are the official ones to the last digits, except where the official code is wrong:

* It keeps frame positions in 8 bits, so that its decay is arbitrary beyond 256 frames.
* It ends with exit status 0 where a result is missing or has a label too many. Here every fault of
  the whole set is reported at once, as one ``DatasetError``.
* It prints the CSVs that it finds in the results' folder instead of scoring again. Nothing is read
  back here.
* A stray label of 255 makes it allocate 255 float64 copies of the sequence, tens of gigabytes.
  Here it is an error like any other label that is not an object, and memory is bounded by a frame.
* It fails on sequences of which no frame remains (one or two frames). Here they are listed without
  figures and do not count.
* It counts an object that no annotation shows, as a gap in the labels makes one, with full marks.
  Here it is not an object.
* In the unsupervised task it names objects by the order of their proposals. Here they keep their
  labels; the global figures are the same.
"""

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.davis.dataset import Counted, DavisSequence, Identity, Task
from persam_video.davis.labels import read_labels
from persam_video.davis.metrics import Statistics
from persam_video.davis.protocol import ScoredDataset
from persam_video.davis.results import NameCheck, check_names, describe_checks, find_masks
from persam_video.davis.scores import (
    MAX_PROPOSALS,
    FrameScore,
    ObjectScore,
    ProposalFrameScore,
    SequenceScore,
    SequenceScorer,
    average,
    describe_strays,
    match_proposals,
    score_frame,
    score_proposals,
)
from persam_video.errors import ConfigError, DatasetError
from persam_video.masks.labels import VOID
from persam_video.util.machine import available_cores


@dataclass(frozen=True)
class Evaluation:
    """The scores of a set.

    Attributes:
        results: folder of the results.
        title: the benchmark that they were scored against.
        identity: which set of it, by the names of the options that choose it.
        task: whether the objects were given.
        sequences: one entry per sequence, in the set's order; a sequence with no frame to score has
            no frames and its figures are NaN.
        warnings: oddities in the results that do not prevent scoring.
        own: figures of the benchmark's own, by name; NaN if undefined.
    """

    results: Path
    title: str
    identity: Identity
    task: Task
    sequences: tuple[SequenceScore, ...]
    warnings: tuple[str, ...] = ()
    own: Mapping[str, float] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """Name of the list of sequences."""
        return str(self.identity["split"])

    @cached_property
    def objects(self) -> dict[str, ObjectScore]:
        """All objects by their official names, ``<sequence>_<label>``."""
        return {
            f"{sequence.name}_{score.object_id}": score
            for sequence in self.sequences
            for score in sequence.objects
        }

    @cached_property
    def j(self) -> Statistics:
        """Mean, recall and decay of J, averaged over all objects."""
        return average(score.j for score in self.objects.values())

    @cached_property
    def f(self) -> Statistics:
        """Mean, recall and decay of F, averaged over all objects."""
        return average(score.f for score in self.objects.values())

    @property
    def mean(self) -> float:
        """J&F: the mean of the two means."""
        return (self.j.mean + self.f.mean) / 2


def evaluate(
    results: str | Path,
    dataset: ScoredDataset,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a folder of results.

    Args:
        results: folder with ``<sequence>/<frame>.png`` for every frame that counts, or in another
            layout of ``persam_video.davis.results``.
        dataset: the set to score against.
        workers: threads that read and score frames; by default one for each core.
        on_progress: called with the number of scored frames and the total.

    Returns:
        The scores of every object and frame.

    Raises:
        DatasetError: something is missing or unusable. The message has one line per fault,
            which names the file; nothing was scored.
        ConfigError: ``workers`` is less than 1.
    """
    results = Path(results)
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be 1 or more, found {workers}")
    if fault := _folder_fault(results):
        raise DatasetError(f"{fault}; give the folder of the results")
    faults: list[str] = []
    plans = [_plan(name, results, dataset, faults) for name in dataset.names]
    awaited = [plan for plan in plans if plan.scored or plan.names.fault]
    if len(awaited) > 1 and all(_folder_fault(plan.result_folder) for plan in awaited):
        raise DatasetError(_nothing_there(results, dataset))
    jobs = [
        (plan, annotation)
        for plan in plans
        if not _folder_fault(plan.result_folder)
        for annotation in plan.scored
    ]
    outcomes: dict[str, list[_Outcome]] = {plan.sequence.name: [] for plan in plans}
    with ThreadPoolExecutor(workers or available_cores()) as pool:
        scored = pool.map(lambda job: _score(job[0], job[1], dataset), jobs)
        for done, ((plan, _), outcome) in enumerate(zip(jobs, scored, strict=True), start=1):
            outcomes[plan.sequence.name].append(outcome)
            if on_progress is not None:
                on_progress(done, len(jobs))
    sequences = tuple(
        _gather(plan, outcomes[plan.sequence.name], dataset, faults) for plan in plans
    )
    if faults:
        unique = list(dict.fromkeys(faults))
        count = "1 fault" if len(unique) == 1 else f"{len(unique)} faults"
        raise DatasetError("\n".join([f"nothing was scored because of {count}:", *unique]))
    if not any(sequence.frames for sequence in sequences):
        raise DatasetError(
            f"{dataset.annotation_root}: no frame to score; {_why_none(dataset.counted)}"
        )
    return Evaluation(
        results,
        dataset.title,
        dataset.identity,
        dataset.task,
        sequences,
        describe_checks({plan.sequence.name: plan.names for plan in plans}),
    )


@dataclass(frozen=True)
class _Plan:
    """What to score of one sequence.

    Attributes:
        sequence: its files.
        result_folder: folder of its results.
        given: labels of the first annotation.
        scored: annotations of the frames that count.
        names: comparison of the results' names with those of the frames.
    """

    sequence: DavisSequence
    result_folder: Path
    given: tuple[int, ...]
    scored: tuple[Path, ...]
    names: NameCheck

    def result(self, annotation: Path) -> Path:
        return self.result_folder / annotation.name


_Outcome = FrameScore | ProposalFrameScore | list[str]
"""The scores of a frame, or its faults."""


def _plan(name: str, results: Path, dataset: ScoredDataset, faults: list[str]) -> _Plan:
    """Determine what to score of a sequence, adding any obstacles to ``faults``."""
    given: tuple[int, ...] = ()
    sequence = DavisSequence(name, (), ())
    try:
        sequence = dataset.sequence(name)
        given = _given_labels(sequence, dataset)
    except DatasetError as error:
        faults.append(str(error))
    scored = sequence.annotations
    if dataset.counted is Counted.BETWEEN_ENDS:
        scored = scored[1:-1]
    folder, names = results / name, NameCheck()
    try:
        folder = find_masks(results, name, dataset)
        counted = {path.stem for path in scored}
        images = (path.stem for path in sequence.images)
        if not (missing := _folder_fault(folder)):
            names = check_names(folder, sequence.frames, counted, images)
        elif scored:
            expected = f"{scored[0].name} to {scored[-1].name}"
            faults.append(f"{missing}; it should hold {len(scored)} masks, {expected}")
        if names.fault:
            faults.append(names.fault)
            scored = ()
    except DatasetError as error:
        faults.append(str(error))
        scored = ()
    return _Plan(sequence, folder, given, scored, names)


def _why_none(counted: Counted) -> str:
    if counted is Counted.BETWEEN_ENDS:
        return "the first and last do not count"
    return "the frame that first shows an object does not count, and there is no other"


def _nothing_there(results: Path, dataset: ScoredDataset) -> str:
    """Return an error that no sequence has results, naming what the folder holds instead."""
    there = sorted(path.name for path in results.iterdir() if path.is_dir())
    held = f"it holds {', '.join(there[:3])}{' …' if there[3:] else ''}" if there else "it is empty"
    other = [split for split, names in dataset.other_splits().items() if set(names) & set(there)]
    what_to_do = (
        f"pass --split {other[0]}" if other else "give the folder that holds SEQUENCE/FRAME.png"
    )
    return (
        f"{results}: holds none of the {len(dataset.names)} sequences of {dataset.split}; {held}; "
        f"{what_to_do}"
    )


def _given_labels(sequence: DavisSequence, dataset: ScoredDataset) -> tuple[int, ...]:
    """Return the labels of the first annotation."""
    if not sequence.annotations:
        raise DatasetError(f"{dataset.annotation_root / sequence.name}: no annotations (*.png)")
    first = sequence.first_annotation
    labels = np.unique(read_scored(first, dataset))
    given = tuple(int(label) for label in labels if label not in (0, VOID))
    if not given and not dataset.later_objects:
        hint = "; 0 and 255 are the masks of DAVIS 2016: pass --year 2016" if VOID in labels else ""
        raise DatasetError(f"{first}: shows no object{hint}")
    return given


def read_scored(
    path: Path, dataset: ScoredDataset, shape: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Return the labels of an annotation or a result in the form that is scored.

    Args:
        path: the file.
        dataset: the set; in DAVIS 2016 all labels become 1.
        shape: (H, W) that the file must have.

    Raises:
        DatasetError: the file cannot be scored.
    """
    labels = read_labels(path, shape)
    if not dataset.single_object:
        return labels
    if labels.max() == VOID and np.any((labels > 0) & (labels < VOID)):
        raise DatasetError(
            f"{path}: values between 0 and 255 beside 255; save the mask without antialiasing"
        )
    return (labels > 0).view(np.uint8)


def _score(plan: _Plan, annotation: Path, dataset: ScoredDataset) -> _Outcome:
    """Read and score one frame."""
    faults = []
    shape = None
    try:
        truth = read_scored(annotation, dataset)
        shape = truth.shape
    except DatasetError as error:
        faults.append(str(error))
    try:
        predicted = read_scored(plan.result(annotation), dataset, shape)
    except DatasetError as error:
        faults.append(str(error))
    if faults:
        return faults
    if dataset.task is Task.SEMI_SUPERVISED:
        return score_frame(truth, predicted, small_contours=dataset.small_contours)
    if predicted.max() > MAX_PROPOSALS:
        return [
            f"{plan.result(annotation)}: holds label {predicted.max()};"
            f" proposals are labelled 1 to {MAX_PROPOSALS}"
        ]
    return score_proposals(truth, predicted, max(plan.given, default=0))


def _gather(
    plan: _Plan, outcomes: list[_Outcome], dataset: ScoredDataset, faults: list[str]
) -> SequenceScore:
    """Combine the frames of a sequence, adding their faults to ``faults``."""
    name = plan.sequence.name
    found = [fault for outcome in outcomes if isinstance(outcome, list) for fault in outcome]
    faults.extend(found)
    if found or not outcomes or not (plan.given or dataset.later_objects):
        return SequenceScore(name, (), ())
    frames = [annotation.stem for annotation in plan.scored]
    proposals = [outcome for outcome in outcomes if isinstance(outcome, ProposalFrameScore)]
    if proposals:
        return match_proposals(name, frames, proposals, _object_ids(plan.given, proposals, dataset))
    scores = [outcome for outcome in outcomes if isinstance(outcome, FrameScore)]
    counted = dataset.counted_frames(name)
    scorer = SequenceScorer(
        name,
        _object_ids(plan.given, scores, dataset) if counted is None else counted.keys(),
        from_appearance=dataset.counted is Counted.AFTER_APPEARANCE,
        counted=counted,
    )
    for score, frame in zip(scores, frames, strict=True):
        scorer.append(score, frame)
    strays = scorer.strays()
    faults.extend(
        f"{plan.result_folder / frame}.png: {describe_strays(labels, scorer.object_ids)}"
        for frame, labels in strays
    )
    return SequenceScore(name, (), ()) if strays else scorer.result()


def _object_ids(
    given: Iterable[int],
    scores: Iterable[FrameScore | ProposalFrameScore],
    dataset: ScoredDataset,
) -> frozenset[int]:
    """Return the labels that count as objects.

    They are the first annotation's, and, as in the official code, lower ones that it lacks where a
    later annotation shows them; where objects may appear later, all.
    """
    known = frozenset(given)
    seen = known.union(*(score.truth_ids for score in scores))
    if dataset.later_objects:
        return seen
    return frozenset(label for label in seen if label <= max(known))


def _folder_fault(folder: Path) -> str | None:
    try:
        if not folder.is_dir():
            return f"{folder}: no such folder"
    except OSError as error:
        return f"{folder}: cannot be read ({error.strerror})"
    # once for the folder, and not for each of its files
    if not os.access(folder, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return f"{folder}: cannot be read ({os.strerror(errno.EACCES)})"
    return None
