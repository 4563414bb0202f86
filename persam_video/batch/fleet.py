"""Running a list of jobs in the workers of a Ray cluster.

A worker fetches what a job reads, tracks it into a folder of its own machine, and lets the results
appear whole in the shared place. Then the job gets a line in the manifest. Whatever is killed in
between, the next run finds either nothing of the job, or its results.
"""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from persam_video.batch.fleet_options import FleetOptions, FleetProgress
from persam_video.batch.jobs import Job
from persam_video.batch.sizes import job_sizes
from persam_video.batch.tracking import (
    Event,
    JobProgress,
    JobResult,
    JobTracker,
    OnJobProgress,
    PreparedJob,
    follow,
)
from persam_video.config import Settings
from persam_video.errors import ConfigError, OutputError
from persam_video.fleet.manifest import MANIFEST, REPORT, Line, Manifest
from persam_video.fleet.options import NodeError
from persam_video.fleet.order import hand_out_order
from persam_video.fleet.ray_workers import RayWorkers
from persam_video.fleet.storage import (
    Shelf,
    check_mark,
    fetch,
    is_remote,
    scratch_folder,
    shared_mark,
)
from persam_video.fleet.worker import WorkerFacts, digest, worker_facts
from persam_video.masks import MaskFile
from persam_video.results import ObjectState
from persam_video.run import OutputPaths
from persam_video.run.annotations import Mask
from persam_video.run.progress import OnProgress
from persam_video.sam.share import use_share
from persam_video.sinks import RunRecord, RunStatus, read_tracks
from persam_video.util.atomic import is_full
from persam_video.util.lock import exclusive_folder
from persam_video.util.urls import local_path, url_of
from persam_video.util.workers import Share, Tell

_RECORD = "run.json"


def run_fleet(
    tasks: Sequence[PreparedJob], out: str, fleet: FleetOptions, on_progress: OnJobProgress
) -> Iterator[JobResult]:
    """Track videos in the workers of a cluster; see ``persam_video.batch.run_jobs``.

    Yields:
        The results of what an earlier run has done, then one for each job that has ended.

    Raises:
        PersamVideoError: no worker of the cluster can be used, or the results cannot be written.
    """
    shelf = Shelf(out, _RECORD)
    _check(shelf, tasks)
    tasks = [replace(task, job=_without_file_urls(task.job)) for task in tasks]
    manifest = Manifest(shelf)
    with ExitStack() as stack:
        mark = None
        if not shelf.remote:
            stack.enter_context(exclusive_folder(Path(shelf.place)))
            shelf.sweep()
            mark = stack.enter_context(shared_mark(Path(shelf.place)))
        manifest.read()
        make = partial(_make_job_tracker, tasks[0].options.settings, shelf, mark)
        workers = stack.enter_context(RayWorkers(make, fleet.ray, fleet.warn))
        plan = _Plan.of(tasks, workers.facts(len(tasks)), manifest, shelf)
        overview = _Overview(plan, fleet, on_progress)
        stack.callback(lambda: manifest.write_report(task.job.name for task in tasks))
        stack.enter_context(manifest.kept())
        yield from plan.done
        results = follow(
            workers,
            hand_out_order(plan.left, [plan.sizes[task.job.name] for task in plan.left]),
            overview.progressed,
            lambda name, done: JobResult(name, RunStatus.INTERRUPTED, 0),
        )
        for result in results:
            overview.ended(result)
            if result.status is not RunStatus.INTERRUPTED:
                manifest.add(_line(result, plan.asked[result.name]))
            yield result


def _check(shelf: Shelf, tasks: Sequence[PreparedJob]) -> None:
    """Check that the results of no job would take the place of an input.

    Raises:
        ConfigError: a job has the name of a file that is written beside the results.
        OutputError: an input is where results go.
    """
    homes = set()
    for task in tasks:
        if task.job.name in (MANIFEST, REPORT):
            raise ConfigError(f"a job is named {task.job.name}: give it another 'name'")
        if not shelf.remote:
            homes.add(Path(shelf.of(task.job.name)).resolve())
    for task in tasks:
        masks = [mask.path for mask in task.job.masks.values() if isinstance(mask, MaskFile)]
        for path in (Path(local_path(task.job.source)), *masks, *task.options.keep):
            found = path.resolve()
            if homes & {found, *found.parents}:
                raise OutputError(f"{path}: is an input; choose another place for the output")


def _without_file_urls(job: Job) -> Job:
    def plain(mask: Mask) -> Mask:
        if not isinstance(mask, MaskFile):
            return mask
        return MaskFile.of(local_path(url_of(mask.path))) if mask.frame is None else mask

    masks = {index: plain(mask) for index, mask in job.masks.items()}
    return replace(job, source=local_path(job.source), masks=masks)


@dataclass(frozen=True)
class _Plan:
    """What is done, and what is left.

    Attributes:
        done: results that need no worker.
        left: tasks for the workers.
        asked: SHA-256 of what was asked, by the name of the job.
        sizes: work by the name of the job.
    """

    done: list[JobResult] = field(default_factory=list)
    left: list[PreparedJob] = field(default_factory=list)
    asked: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, tasks: Sequence[PreparedJob], facts: WorkerFacts, manifest: Manifest, shelf: Shelf
    ) -> "_Plan":
        plan, there = cls(), shelf.names()
        sizes = job_sizes([task.job for task in tasks])
        # a video whose size nobody knows counts as a usual one
        usual = sum(sizes) / max(1, sum(size > 0 for size in sizes)) or 1.0
        for task, size in zip(tasks, sizes, strict=True):
            name = task.job.name
            plan.sizes[name] = size or usual
            plan.asked[name] = asked = _asked(task, facts)
            line, resume = manifest.lines.get(name), task.options.resume
            if name in there and not (resume or task.options.overwrite):
                error = (
                    f"{shelf.of(name)} holds earlier results: pass --resume to continue, "
                    "--overwrite to replace them, or another folder"
                )
                plan.done.append(JobResult(name, RunStatus.FAILED, 0, error=error))
            elif (
                resume
                and name in there
                and line is not None
                and (line.status, line.asked) == (RunStatus.FINISHED.value, asked)
            ):
                plan.done.append(_result(line))
            else:
                plan.left.append(task)
        return plan


def _asked(task: PreparedJob, facts: WorkerFacts) -> str:
    """Return the SHA-256 of all that decides about the results of a job."""
    options = {
        option.name: getattr(task.options, option.name)
        for option in fields(task.options)
        if option.name not in ("overwrite", "resume", "keep", "snapshot_seconds")
    }
    return digest([task.job, options, replace(facts, settings="")])


def _line(result: JobResult, asked: str) -> Line:
    return Line(
        result.name,
        asked,
        result.status.value,
        result.frames,
        round(result.seconds or 0.0, 3),
        result.lost or 0,
        result.worker or "",
        result.warnings,
        result.error,
    )


def _result(line: Line) -> JobResult:
    return JobResult(
        line.name,
        RunStatus(line.status),
        line.frames,
        line.warnings,
        line.error,
        line.seconds,
        line.lost,
        line.worker,
    )


class _Overview:
    """Adds up the progress of all jobs."""

    def __init__(self, plan: _Plan, fleet: FleetOptions, on_progress: OnJobProgress) -> None:
        self._sizes = plan.sizes
        self._all = sum(plan.sizes.values())
        self._done = sum(plan.sizes[result.name] for result in plan.done)
        self._ended = len(plan.done)
        self._shares: dict[str, float] = {}
        self._frames: dict[str, int] = {}
        self._tell, self._on_progress = fleet.on_progress, on_progress
        self._say()

    def progressed(self, job: JobProgress) -> None:
        """Take the progress of a job."""
        progress = job.progress
        if not progress.backwards:
            self._frames[job.name] = progress.done
            self._shares[job.name] = progress.done / max(progress.total or progress.done, 1)
        self._on_progress(job)
        self._say()

    def ended(self, result: JobResult) -> None:
        """Take the result of a job."""
        self._shares.pop(result.name, None)
        self._frames[result.name] = result.frames
        self._done += self._sizes[result.name]
        self._ended += 1
        self._say()

    def _say(self) -> None:
        running = sum(min(1.0, share) * self._sizes[name] for name, share in self._shares.items())
        share = min(1.0, (self._done + running) / self._all)
        frames = sum(self._frames.values())
        self._tell(FleetProgress(self._ended, len(self._sizes), share, frames))


def _make_job_tracker(
    settings: Settings, shelf: Shelf, mark: Path | None, share: Share
) -> "_FleetTracker":
    """Prepare a worker: check that it has the shared folder, and load the model."""
    if mark is not None:
        check_mark(mark)
    use_share(share)
    return _FleetTracker(settings, shelf, share)


class _FleetTracker(JobTracker):
    """Runs jobs in a worker of a fleet."""

    def __init__(self, settings: Settings, shelf: Shelf, share: Share) -> None:
        super().__init__()
        self.facts = worker_facts(settings, self.model(settings).info)
        self._shelf = shelf
        self._name = f"worker {share.number + 1} on {platform.node()}"
        self._lost = 0
        self._files = ExitStack()
        self._scratch = self._files.enter_context(scratch_folder())

    def __call__(self, task: PreparedJob, tell: Tell[Event]) -> JobResult:
        """Run a job and turn any failure into a result, unless another machine may do it."""
        begun, self._lost = time.perf_counter(), 0
        result = super().__call__(task, tell)
        seconds = time.perf_counter() - begun
        return replace(result, seconds=seconds, lost=self._lost, worker=self._name)

    def track(self, task: PreparedJob, on_progress: OnProgress) -> RunRecord:
        """Run a job into a folder of this machine, and let its results appear in the shared place.

        Raises:
            NodeError: the disk of this machine is full.
            PersamVideoError: as ``track_to_folder`` does, or something cannot be fetched.
        """
        name = task.job.name
        with TemporaryDirectory(dir=self._scratch) as work:
            out = Path(work, "out")
            paths = OutputPaths(out / name)
            job = _fetched(task.job, Path(work, "inputs"))
            # results that no line accounts for: of a run without a fleet, or of a killed one
            if not task.options.overwrite and self._shelf.has(name):
                self._shelf.take(name, out)
            was_finished = paths.finished
            options = replace(task.options, mask=job.masks, resume=True, overwrite=False, keep=())
            try:
                record = super().track(PreparedJob(job, paths, options), on_progress)
            except OutputError as error:
                if is_full(error):
                    raise NodeError(str(error)) from error
                raise
            if record.status is RunStatus.FINISHED:
                self._lost = _lost_periods(paths.tracks)
                if not was_finished:
                    self._shelf.put(paths.folder)
        return record

    def close(self) -> None:
        """Remove the worker's folder."""
        self._files.close()


def _fetched(job: Job, into: Path) -> Job:
    """Return a job whose source and masks are on this machine."""

    def local(mask: Mask, number: int) -> Mask:
        if not isinstance(mask, MaskFile) or not is_remote(url := url_of(mask.path)):
            return mask
        url, _, frame = url.partition("#")
        return MaskFile(fetch(url, into / f"mask{number}"), frame or None)

    source = job.source
    if is_remote(source):
        source = str(fetch(source, into / "source"))
    masks = {index: local(mask, n) for n, (index, mask) in enumerate(job.masks.items())}
    return replace(job, source=source, masks=masks)


def _lost_periods(tracks: Path) -> int:
    """Count how often an object was lost, over all objects."""
    periods, lost = 0, set[int]()
    for record in read_tracks(tracks):
        now = {found.object_id for found in record.objects if found.state is ObjectState.LOST}
        periods += len(now - lost)
        lost = now
    return periods
