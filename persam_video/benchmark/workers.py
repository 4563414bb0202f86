"""Tracking sequences, one per worker: in this process, in several, or on many machines.

A worker reports a frame before writing it, so that a worker whose parent was killed stops writing.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch

from persam_video.benchmark.tracking import (
    BenchmarkFolder,
    FrameTracked,
    Outcome,
    SequenceFailed,
    SequencePlan,
    SequenceTracked,
    track_sequence,
)
from persam_video.config import Settings
from persam_video.errors import OutputError, SourceError
from persam_video.fleet.mirror import Mirror
from persam_video.fleet.options import NodeError, RayOptions
from persam_video.fleet.storage import Shelf, check_mark, scratch_folder, shared_mark
from persam_video.fleet.worker import worker_facts
from persam_video.sam.build import load_model
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.sam.share import use_share
from persam_video.util.atomic import is_full
from persam_video.util.workers import Executor, InProcess, Processes, Share, Tell


@dataclass(frozen=True)
class Work:
    """What all sequences of a run share.

    Attributes:
        settings: how to track.
        out: where the results go.
        threads: threads per process.
        source: the data set, where it lies on a storage.
    """

    settings: Settings
    out: BenchmarkFolder
    threads: int
    source: Mirror | None = None


@dataclass
class Crew:
    """What tracks the sequences of a run.

    Attributes:
        info: the model.
        executor: does the work.
        model: the model itself, where this process has one.
    """

    info: ModelInfo
    executor: Executor[SequencePlan, FrameTracked, Outcome]
    model: SamModel | None = None


def crew_here(work: Work, workers: int, model: SamModel | None = None) -> Crew:
    """Return this process with its model, or several processes with their own.

    Args:
        work: what the sequences share.
        workers: how many processes.
        model: this process's model; loaded by the settings when not given.

    Raises:
        ModelError: the model cannot be loaded.
    """
    model = model or load_model(work.settings)
    if workers > 1:
        make = partial(_make_tracker, work)
        return Crew(model.info, Processes(make, workers, work.threads), model)
    return Crew(model.info, InProcess(partial(_track_here, work, model)), model)


@contextmanager
def crew_on_ray(
    work: Work, options: RayOptions, tasks: int, warn: Callable[[str], None]
) -> Iterator[Crew]:
    """Give the workers of a Ray cluster while the block runs.

    Args:
        work: what the sequences share; its threads are the cores of a worker.
        options: the workers.
        tasks: number of sequences.
        warn: called with a line for the user.

    Raises:
        PersamVideoError: there is no such cluster, or no worker can be used.
    """
    # imported late: it needs Ray
    from persam_video.fleet.ray_workers import RayWorkers  # noqa: PLC0415

    work = replace(work, out=replace(work.out, folder=work.out.folder.absolute()))
    shelf = Shelf(work.out.place, "")
    with ExitStack() as stack:
        shelf.sweep()
        mark = None if shelf.remote else stack.enter_context(shared_mark(work.out.folder))
        make = partial(_make_fleet_tracker, work, mark)
        workers = stack.enter_context(RayWorkers(make, options, warn))
        yield Crew(workers.facts(tasks).model, workers)


def _make_fleet_tracker(work: Work, mark: Path | None, share: Share) -> "_FleetTracker":
    if mark is not None:
        check_mark(mark)
    use_share(share)
    return _FleetTracker(work, load_model(work.settings))


class _FleetTracker:
    """Tracks sequences on a machine of a fleet, whose results appear whole in the shared folder."""

    def __init__(self, work: Work, model: SamModel) -> None:
        self._work, self._model = work, model
        self.facts = worker_facts(work.settings, model.info)
        self._files = ExitStack()
        self._scratch = self._files.enter_context(scratch_folder())

    def __call__(self, plan: SequencePlan, tell: Tell[FrameTracked]) -> Outcome:
        """Track a sequence; see ``track_sequence``.

        Raises:
            NodeError: the disk of this machine is full.
        """
        with TemporaryDirectory(dir=self._scratch) as place:
            out, inputs = BenchmarkFolder(Path(place, "out")), Path(place, "inputs")
            try:
                outcome = self._track(plan, inputs, out, tell)
            except OutputError as error:
                if is_full(error):
                    raise NodeError(str(error)) from error
                raise
            except SourceError as error:  # of this sequence alone
                return SequenceFailed(plan.name, f"{plan.name}: {error}")
            if isinstance(outcome, SequenceTracked):
                shelf, tracks = Shelf(self._work.out.place, ""), out.tracks(plan.name)
                shelf.write(tracks.relative_to(out.folder).as_posix(), tracks.read_bytes())
                shelf.put(out.masks(plan.name))
        return outcome

    def _track(
        self, plan: SequencePlan, inputs: Path, out: BenchmarkFolder, tell: Tell[FrameTracked]
    ) -> Outcome:
        source = self._work.source
        if source is None:
            return track_sequence(plan, self._model, self._work.settings, out, tell)
        source.fetch(plan.files, inputs)
        plan = plan.moved(lambda file: source.moved(file, inputs))
        outcome = track_sequence(plan, self._model, self._work.settings, out, tell)
        if isinstance(outcome, SequenceFailed):
            message = outcome.message.replace(str(inputs), source.url)
            return SequenceFailed(outcome.name, message)
        return outcome

    def close(self) -> None:
        """Remove the worker's folder."""
        self._files.close()


def _make_tracker(work: Work, share: Share) -> "partial[Outcome]":
    """Load the model in a worker, and return the function that tracks a sequence with it."""
    use_share(share)
    return partial(_track, work, load_model(work.settings))


def _track(work: Work, model: SamModel, plan: SequencePlan, tell: Tell[FrameTracked]) -> Outcome:
    return track_sequence(plan, model, work.settings, work.out, tell)


def _track_here(
    work: Work, model: SamModel, plan: SequencePlan, tell: Tell[FrameTracked]
) -> Outcome:
    with use_threads(work.threads):
        return _track(work, model, plan, tell)


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Use this number of threads within the block."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
