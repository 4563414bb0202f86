"""Running a benchmark: all sequences of a set, sequentially or in parallel.

Finished work is kept. After any interruption, SIGKILL included, the same call continues the run:
finished sequences are verified (every mask exists, has the size of the frames and the bytes that
were written) and left alone; an unfinished sequence starts over, because the state of a tracker is
not stored. The masks are byte-identical to those of an uninterrupted run. For that, each process
computes with one thread, so that rounding depends neither on the number of cores nor of workers.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch

from persam_video.benchmark.record import (
    BenchmarkRecord,
    SequenceRecord,
    check_same_run,
    check_same_versions,
    masks_sha256,
    new_record,
    read_record,
)
from persam_video.benchmark.stored import StoredDataset, results_in
from persam_video.benchmark.tracking import (
    BenchmarkFolder,
    FrameTracked,
    Outcome,
    SequenceFailed,
    SequencePlan,
    SequenceTracked,
    plan_sequence,
)
from persam_video.benchmark.workers import Crew, Work, crew_here, crew_on_ray, use_threads
from persam_video.config import Settings, load_settings
from persam_video.davis.dataset import Task
from persam_video.davis.protocol import TrackedDataset
from persam_video.errors import ConfigError, DatasetError, OutputError, PersamVideoError
from persam_video.fleet.options import RayOptions
from persam_video.fleet.order import hand_out_order
from persam_video.fleet.storage import is_remote
from persam_video.run.estimate import Estimate, encode_seconds, estimate, is_slow
from persam_video.sam.build import choose_device
from persam_video.sam.model import SamModel
from persam_video.util.inputs import ProtectedInputs
from persam_video.util.lock import exclusive_folder
from persam_video.util.machine import available_cores
from persam_video.util.run_record import recording, write_run
from persam_video.util.workers import TaskLost
from persam_video.video.image_decoder import read_image

_log = logging.getLogger(__name__)


class SequenceState(str, Enum):
    """Progress of a sequence."""

    VERIFIED = "verified"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True)
class BenchmarkProgress:
    """Progress of a sequence and of the whole run.

    Attributes:
        name: name of the sequence.
        state: state of the sequence; ``verified`` if an earlier run had finished it.
        done: tracked frames of the sequence.
        total: frames of the sequence.
        all_done: tracked frames of all sequences.
        all_total: frames of all sequences.
        seconds: time that tracking the sequence took, once it is finished.
        estimate: estimated time of the whole run; given once, before a long run starts.
    """

    name: str
    state: SequenceState
    done: int
    total: int
    all_done: int
    all_total: int
    seconds: float | None = None
    estimate: Estimate | None = None


def run_benchmark(
    dataset: TrackedDataset,
    out: str | Path,
    *,
    settings: Settings | None = None,
    model: SamModel | None = None,
    workers: int = 1,
    threads: int = 1,
    overwrite: bool = False,
    keep: Sequence[Path] = (),
    on_progress: Callable[[BenchmarkProgress], None] = lambda progress: None,
    ray: RayOptions | None = None,
    warn: Callable[[str], None] = _log.warning,
) -> BenchmarkRecord:
    """Track every sequence of a set, or continue an interrupted run.

    Only the first annotation of each sequence is opened; where objects may appear later, see
    ``persam_video.benchmark.tracking``.

    A keyboard interrupt ends the run early and keeps what is done; the record says so.

    Args:
        dataset: the set, for the semi-supervised task; with ``ray`` also one that lies on a
            storage, see ``persam_video.benchmark.stored``.
        out: folder for ``<sequence>/<frame>.png``, ``tracks/<sequence>.jsonl`` and ``run.json``;
            with ``ray`` also the URL of a storage.
        settings: the preset ``persam`` by default.
        model: a loaded model, with which this process tracks alone; loaded by the settings when not
            given.
        workers: number of worker processes; 1 tracks in this process. With more than 1, the main
            module must be importable, as multiprocessing requires.
        threads: threads per process; another number may change masks slightly.
        overwrite: replace another run in the folder.
        keep: files that must not be overwritten, such as the settings file.
        on_progress: called after every frame and at the end of every sequence.
        ray: track in the workers of a Ray cluster instead, which compute with ``ray.cores`` threads
            and have dataset and output folder in the same places; the largest sequences begin
            first.
        warn: called with a line for the user, such as that a worker of the cluster is not used.

    Returns:
        The record, as in ``run.json``.

    Raises:
        DatasetError: a sequence cannot be tracked. The message has one line per sequence. Problems
            that show before the first frame are reported for all sequences before anything is
            written; a sequence that fails later does not stop the others.
        OutputError: the folder holds another run, is an input folder, or cannot be written.
        PersamVideoError: the model or a setting cannot be used.
    """
    _check_arguments(dataset, workers, threads)
    if ray is None and (is_remote(str(out)) or isinstance(dataset, StoredDataset)):
        raise ConfigError("data sets and results on a storage are for the workers of a cluster")
    if model is not None and (workers > 1 or ray is not None):
        raise ConfigError("a loaded model serves this process only: leave workers at 1")
    settings = settings or load_settings()
    checkpoint = settings.model.checkpoint
    files = [*keep] if checkpoint is None else [*keep, Path(checkpoint)]
    with ExitStack() as stack:
        folder = stack.enter_context(results_in(str(out)))
        folder.check(dataset.inputs | ProtectedInputs(tuple(files)), dataset.names)
        plans = _plans(dataset)
        source = dataset.mirror if isinstance(dataset, StoredDataset) else None
        work = Work(settings, folder, threads if ray is None else ray.cores, source)
        crews: AbstractContextManager[Crew] = (
            nullcontext(crew_here(work, workers, model))
            if ray is None
            else crew_on_ray(work, ray, len(plans), warn)
        )
        stack.enter_context(exclusive_folder(folder.folder))
        crew = stack.enter_context(crews)
        record = new_record(dataset, settings, crew.info, work.threads)
        finished = _resume(folder, plans, record, overwrite=overwrite)
        monitor = _Monitor(plans, on_progress)
        for name in finished:
            monitor.verified(name)
        todo = [plan for plan in plans if plan.name not in finished]
        if ray is not None:
            todo = hand_out_order(todo, [plan.size_of_work for plan in todo])
        stack.callback(folder.publish)
        with recording(folder.record, record):
            if todo and crew.model is not None and is_slow(crew.model):
                monitor.estimated(todo[0].name, _estimate(todo, work, workers, crew.model))
            crew.model = None  # every worker process has its own
            with closing(crew.executor.run(todo, monitor.happened)) as outcomes:
                failed = _follow(outcomes, folder, record, monitor)
            if failed:
                head = f"{len(failed)} of {len(plans)} sequences could not be tracked:"
                raise DatasetError("\n".join([head, *failed]))
    return record


class _Monitor:
    """Counts frames and reports the progress of a run."""

    def __init__(
        self, plans: Sequence[SequencePlan], on_progress: Callable[[BenchmarkProgress], None]
    ) -> None:
        self._totals = {plan.name: len(plan.frames) for plan in plans}
        self._done = dict.fromkeys(self._totals, 0)
        self._on_progress = on_progress

    def verified(self, name: str) -> None:
        """Report a sequence that an earlier run had finished."""
        self._done[name] = self._totals[name]
        self._tell(name, SequenceState.VERIFIED)

    def estimated(self, name: str, estimate: Estimate | None) -> None:
        """Report how long the run will take, before its first sequence starts."""
        self._tell(name, SequenceState.RUNNING, estimate=estimate)

    def happened(self, event: FrameTracked | Outcome) -> None:
        """Report an event."""
        match event:
            case FrameTracked():
                self._done[event.name] = event.done
                self._tell(event.name, SequenceState.RUNNING)
            case SequenceTracked():
                self._tell(event.name, SequenceState.FINISHED, event.record.seconds)
            case SequenceFailed():
                self._tell(event.name, SequenceState.FAILED)

    def _tell(
        self,
        name: str,
        state: SequenceState,
        seconds: float | None = None,
        estimate: Estimate | None = None,
    ) -> None:
        self._on_progress(
            BenchmarkProgress(
                name,
                state,
                self._done[name],
                self._totals[name],
                sum(self._done.values()),
                sum(self._totals.values()),
                seconds,
                estimate,
            )
        )


def _check_arguments(dataset: TrackedDataset, workers: int, threads: int) -> None:
    for name, value in (("workers", workers), ("threads", threads)):
        if value < 1:
            raise ConfigError(f"{name} must be 1 or more, found {value}")
    if dataset.task is not Task.SEMI_SUPERVISED:
        raise ConfigError("objects are given by the first annotation: only semi-supervised tasks")


def _plans(dataset: TrackedDataset) -> list[SequencePlan]:
    """Check all sequences before anything is written."""
    plans, faults = [], []
    for name in dataset.names:
        try:
            plans.append(plan_sequence(dataset, name))
        except PersamVideoError as error:
            faults.append(str(error))
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise DatasetError("\n".join([f"nothing was tracked because of {count}:", *faults]))
    return plans


def _resume(
    folder: BenchmarkFolder,
    plans: Sequence[SequencePlan],
    record: BenchmarkRecord,
    *,
    overwrite: bool,
) -> list[str]:
    """Adopt the finished sequences of an earlier run, and return their names."""
    if not folder.record.exists():
        foreign = [plan.name for plan in plans if folder.has_masks(plan.name)]
        if foreign:
            raise OutputError(
                f"{folder.place}: holds masks that no run made ({', '.join(foreign[:3])}), which "
                "would be replaced: choose another folder, or move them away"
            )
        return []
    earlier = read_record(folder.record)
    if overwrite:
        return []
    check_same_run(earlier, record, folder.place)
    finished = []
    for plan in plans:
        known = earlier.sequences.pop(plan.name, None)
        if known is None:
            continue
        with folder.read_masks(plan.name) as masks:
            whole = _is_whole(plan, known, masks)
        if whole:
            record.finish(plan.name, known)
            finished.append(plan.name)
        else:
            record.warnings.append(f"{plan.name}: its masks have changed; tracking it again")
    # those that this call does not ask for
    for name, known in earlier.sequences.items():
        record.finish(name, known)
    if len(finished) == len(plans):
        record.versions = earlier.versions
    elif record.sequences:
        check_same_versions(earlier, record, folder.place)
    return finished


def _is_whole(plan: SequencePlan, known: SequenceRecord, masks: Path) -> bool:
    """Return whether all masks of a finished sequence are still as they were written."""
    if (known.frames, known.height, known.width) != (len(plan.frames), *plan.size):
        return False
    try:
        present = {path.stem for path in masks.glob("*.png")}
        return (
            present == set(plan.frames) and masks_sha256(masks, plan.frames) == known.masks_sha256
        )
    except OSError:
        return False


def default_workers(settings: Settings) -> int:
    """Return how many sequences to track in parallel: one per GPU, or else one per core."""
    device = choose_device(settings.model.device)
    if device.type == "cpu":
        return available_cores()
    return torch.cuda.device_count() if str(device) == "cuda" else 1


def _estimate(
    plans: Sequence[SequencePlan], work: Work, workers: int, model: SamModel
) -> Estimate | None:
    """Measure one frame under the conditions of the run, and estimate the time of all of them."""
    rgb = read_image(plans[0].images[0])
    frames = sum(len(plan.frames) for plan in plans)
    with use_threads(work.threads):
        seconds = encode_seconds(model, rgb)
        return estimate(model, seconds, frames, rgb, at_once=min(workers, len(plans)))


def _follow(
    outcomes: Iterator[Outcome | TaskLost[SequencePlan]],
    folder: BenchmarkFolder,
    record: BenchmarkRecord,
    monitor: _Monitor,
) -> list[str]:
    """Record and report the outcomes of a run, and return its errors.

    Raises:
        PersamVideoError: a worker process was killed.
    """
    failed = []
    for ended in outcomes:
        outcome = _lost(ended) if isinstance(ended, TaskLost) else ended
        if isinstance(outcome, SequenceTracked):
            record.finish(outcome.name, outcome.record)
            write_run(folder.record, record)
            folder.publish()
        else:
            failed.append(outcome.message)
        monitor.happened(outcome)
    return failed


def _lost(lost: TaskLost[SequencePlan]) -> SequenceFailed:
    """Return the failure of a sequence that was tried often enough.

    Raises:
        PersamVideoError: nobody tried it again.
    """
    name = lost.task.name
    if lost.why is None:
        raise PersamVideoError(
            f"the process that tracked {name} died (out of memory?): "
            "run it again, with fewer --workers"
        )
    return SequenceFailed(name, f"{name}: {lost.why}")
