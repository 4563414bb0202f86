"""Running a list of jobs; a job that fails does not stop the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam_video.batch.jobs import Job
from persam_video.config import ModelSettings, Settings, load_settings
from persam_video.errors import ConfigError, DatasetError, PersamVideoError
from persam_video.run import (
    FolderOptions,
    OutputPaths,
    Progress,
    load_model,
    track_to_folder,
)
from persam_video.run.options import FolderKeywords, run_inputs, with_keywords
from persam_video.sam.model import SamModel
from persam_video.sam.share import use_share
from persam_video.sinks import RunRecord, RunStatus, read_run
from persam_video.util.inputs import ProtectedInputs
from persam_video.util.machine import available_cores
from persam_video.util.names import folded_name
from persam_video.util.workers import Executor, InProcess, Processes, Share, TaskLost, Tell

if TYPE_CHECKING:
    from typing_extensions import Unpack


@dataclass(frozen=True)
class JobResult:
    """The outcome of a job.

    Attributes:
        name: name of the job.
        status: finished, failed or interrupted.
        frames: number of frames written.
        warnings: problems that did not stop the run, one line each.
        error: why it failed, in one line; ``None`` if it did not.
    """

    name: str
    status: RunStatus
    frames: int
    warnings: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job.

    Attributes:
        name: name of the job.
        progress: progress of its run.
    """

    name: str
    progress: Progress


OnJobProgress = Callable[[JobProgress], None]


def run_jobs(
    jobs: Sequence[Job],
    out: str | Path,
    *,
    preset: str | Path = "persam",
    overrides: Mapping[str, Any] | None = None,
    options: FolderOptions | None = None,
    workers: int = 1,
    on_progress: OnJobProgress = lambda progress: None,
    **keywords: "Unpack[FolderKeywords]",
) -> Iterator[JobResult]:
    """Track each video into its own folder, as ``persam_video.run.track_to_folder`` does.

    The names and settings of all jobs are checked before the first one starts. Consecutive jobs
    that use the same model share it. After a keyboard interrupt no further job starts, and the
    running ones keep what they have written.

    Args:
        jobs: in the order in which they start.
        out: folder for the results; each job gets a subfolder named after it.
        preset: name of a preset, or a YAML file.
        overrides: settings for all jobs by dotted key; a job's own settings take precedence.
        options: options for every job, except mask, prompts and settings, which come from the job.
        workers: number of worker processes, which share the cores; 1 tracks in this process. With
            more than 1, the main module must be importable, as multiprocessing requires. Resume a
            batch with the same number: rounding depends on the number of threads.
        on_progress: called after every frame, in this process.
        **keywords: fields of ``FolderOptions``; they override those of ``options``.

    Yields:
        One result per started job, in order of completion.

    Raises:
        ConfigError: two jobs have the same name, or a setting is unknown or out of range.
        OutputError: the results of a job would overwrite an input of this or another job.
    """
    common = with_keywords(options or FolderOptions(), None, {**keywords})
    if common.overwrite and common.resume:
        raise ConfigError("--overwrite starts over and --resume continues: pass only one of them")
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, found {workers}")
    tasks: dict[str, _Task] = {}
    for job in jobs:
        # on some file systems these are one folder
        if folded_name(job.name) in tasks:
            raise ConfigError(f"two jobs are named {job.name}: give one of them another 'name'")
        try:
            settings = load_settings(preset, {**(overrides or {}), **job.overrides})
        except ConfigError as error:
            raise ConfigError(f"job {job.name}: {error}") from error
        wanted = replace(common, mask=job.masks, prompts=job.prompts, settings=settings)
        tasks[folded_name(job.name)] = _Task(job, OutputPaths(Path(out) / job.name), wanted)
    inputs = ProtectedInputs()
    for task in tasks.values():
        inputs |= run_inputs(task.job.source, task.options)
    for task in tasks.values():
        task.paths.check(inputs)  # what one job reads, another must not write to
    return _run(_executor(min(workers, len(tasks))), tuple(tasks.values()), on_progress)


@dataclass(frozen=True)
class _Task:
    """A job, its output folder and its resolved options."""

    job: Job
    paths: OutputPaths
    options: FolderOptions


@dataclass(frozen=True)
class _Begun:
    """A worker has started a job."""

    name: str


_Event = _Begun | JobProgress


def _executor(workers: int) -> Executor[_Task, _Event, JobResult]:
    """Return what tracks the videos: this process, or several with a share of the cores each."""
    if workers < 2:
        return InProcess(_Tracker())
    return Processes(_make_tracker, workers, max(1, available_cores() // workers))


def _make_tracker(share: Share) -> "_Tracker":
    use_share(share)
    return _Tracker()


def _run(
    executor: Executor[_Task, _Event, JobResult],
    tasks: Sequence[_Task],
    on_progress: OnJobProgress,
) -> Iterator[JobResult]:
    """Track the videos, and give the results of those that were begun."""
    running: dict[str, int] = {}

    def happened(event: _Event) -> None:
        if isinstance(event, _Begun):
            running[event.name] = 0
            return
        if not event.progress.backwards:
            running[event.name] = event.progress.done
        on_progress(event)

    try:
        with closing(executor.run(tasks, happened)) as results:
            for result in results:
                if isinstance(result, TaskLost):
                    name = result.task.job.name
                    yield _lost(name, running.pop(name, 0))
                    continue
                del running[result.name]
                yield result
                if result.status is RunStatus.INTERRUPTED:
                    break
    except KeyboardInterrupt:
        pass
    # their workers have ended by now, and left in the folders how far they came
    paths = {task.job.name: task.paths for task in tasks}
    for name, done in running.items():
        yield _cut_off(paths[name], name, done)


def _lost(name: str, done: int) -> JobResult:
    error = "its process died (out of memory?): pass --resume, or fewer --workers"
    return JobResult(name, RunStatus.FAILED, done, error=error)


def _cut_off(paths: OutputPaths, name: str, done: int) -> JobResult:
    """Return the result of a job that was interrupted after at least ``done`` frames."""
    try:
        record: RunRecord | None = read_run(paths.record)
    except DatasetError:
        record = None
    if record is None or not done:  # a record could be that of an earlier run
        return JobResult(name, RunStatus.INTERRUPTED, 0)
    finished = record.status is RunStatus.FINISHED
    status = RunStatus.FINISHED if finished else RunStatus.INTERRUPTED
    return JobResult(name, status, max(record.frames_done, done), tuple(record.warnings))


class _Tracker:
    """Runs jobs with the model of the last one, if they use the same."""

    def __init__(self) -> None:
        self._model = _LastModel()

    def __call__(self, task: _Task, tell: Tell[_Event]) -> JobResult:
        """Run a job and turn any failure into a result."""
        job, done = task.job, 0
        tell(_Begun(job.name))

        def count(progress: Progress) -> None:
            nonlocal done
            if not progress.backwards:
                done = progress.done
            tell(JobProgress(job.name, progress))

        try:
            record = track_to_folder(
                job.source,
                job.masks,
                task.paths.folder,
                task.options,
                model=self._model.get(task.options.settings),
                on_progress=count,
            )
        except KeyboardInterrupt:
            return JobResult(job.name, RunStatus.INTERRUPTED, done)
        except PersamVideoError as error:
            return JobResult(job.name, RunStatus.FAILED, done, error=str(error))
        except Exception as error:
            # the other videos are not to suffer from what nobody foresaw in this one
            words = " ".join(str(error).split())
            message = f"{type(error).__name__}: {words}"
            return JobResult(job.name, RunStatus.FAILED, done, error=message)
        return JobResult(job.name, record.status, record.frames_done, tuple(record.warnings))


@dataclass
class _LastModel:
    """Keeps the last model loaded, for the next job that uses the same one."""

    wanted: ModelSettings | None = None
    model: SamModel | None = None

    def get(self, settings: Settings) -> SamModel:
        if self.model is None or self.wanted != settings.model:
            self.model = None  # its memory is free before the next one is loaded
            self.model, self.wanted = load_model(settings), settings.model
        return self.model
