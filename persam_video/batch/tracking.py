"""Tracking the videos of a list, each into a folder of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

from persam_video.batch.jobs import Job
from persam_video.config import ModelSettings, Settings
from persam_video.errors import PersamVideoError
from persam_video.fleet.options import NodeError
from persam_video.run import FolderOptions, OutputPaths, Progress, load_model, track_to_folder
from persam_video.run.progress import OnProgress
from persam_video.sam.model import SamModel
from persam_video.sinks import RunRecord, RunStatus
from persam_video.util.workers import Executor, TaskLost, Tell


@dataclass(frozen=True)
class JobResult:
    """The outcome of a job.

    Attributes:
        name: name of the job.
        status: finished, failed or interrupted.
        frames: number of frames written.
        warnings: problems that did not stop the run, one line each.
        error: why it failed, in one line; ``None`` if it did not.
        seconds: that it took a worker of a fleet; ``None`` elsewhere, as what follows.
        lost: periods in which an object was lost, over all objects.
        worker: of the fleet, which tracked it.
    """

    name: str
    status: RunStatus
    frames: int
    warnings: tuple[str, ...] = ()
    error: str | None = None
    seconds: float | None = None
    lost: int | None = None
    worker: str | None = None


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


@dataclass(frozen=True)
class PreparedJob:
    """A job, its output folder and its resolved options."""

    job: Job
    paths: OutputPaths
    options: FolderOptions


@dataclass(frozen=True)
class Begun:
    """A worker has started a job."""

    name: str


Event: TypeAlias = Begun | JobProgress

_DIED = "its process died (out of memory?): pass --resume, or fewer --workers"


def follow(
    executor: Executor[PreparedJob, Event, JobResult],
    tasks: Sequence[PreparedJob],
    on_progress: OnJobProgress,
    cut_off: Callable[[str, int], JobResult],
) -> Iterator[JobResult]:
    """Track the videos, and give the results of those that were begun.

    Args:
        executor: tracks them.
        tasks: in the order in which they start.
        on_progress: called after every frame, in this process.
        cut_off: returns the result of a job by its name that was interrupted after at least so
            many frames, when its worker has ended.
    """
    running: dict[str, int] = {}

    def happened(event: Event) -> None:
        if isinstance(event, Begun):
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
                    why = result.why or _DIED
                    yield JobResult(name, RunStatus.FAILED, running.pop(name, 0), error=why)
                    continue
                del running[result.name]
                yield result
                if result.status is RunStatus.INTERRUPTED:
                    break
    except KeyboardInterrupt:
        pass
    for name, done in running.items():
        yield cut_off(name, done)


class JobTracker:
    """Runs jobs with the model of the last one, if they use the same."""

    def __init__(self) -> None:
        self._model = _LastModel()

    def __call__(self, task: PreparedJob, tell: Tell[Event]) -> JobResult:
        """Run a job and turn any failure into a result."""
        job, done = task.job, 0
        tell(Begun(job.name))

        def count(progress: Progress) -> None:
            nonlocal done
            if not progress.backwards:
                done = progress.done
            tell(JobProgress(job.name, progress))

        try:
            record = self.track(task, count)
        except NodeError:
            raise
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

    def model(self, settings: Settings) -> SamModel:
        """Return the model of these settings."""
        return self._model.get(settings)

    def track(self, task: PreparedJob, on_progress: OnProgress) -> RunRecord:
        """Run a job.

        Raises:
            PersamVideoError: as ``track_to_folder`` does.
        """
        return track_to_folder(
            task.job.source,
            task.job.masks,
            task.paths.folder,
            task.options,
            model=self.model(task.options.settings),
            on_progress=on_progress,
        )


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
