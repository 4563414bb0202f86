"""Tracking the videos of a list; one that fails does not stop the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persam_video.batch.jobs import Job
from persam_video.config import ModelSettings, Settings, load_settings
from persam_video.errors import ConfigError, PersamVideoError
from persam_video.run import Progress, load_model, track_to_folder
from persam_video.run.progress import OnProgress
from persam_video.sam.model import SamModel
from persam_video.sinks import RunStatus
from persam_video.sinks.outputs import DEFAULT_OUTPUTS, Output


@dataclass(frozen=True)
class JobResult:
    """What came of a job.

    Attributes:
        name: of the job.
        status: finished, failed or interrupted.
        frames: whose results are written.
        warnings: what the user should know of a run that went on.
        error: why it failed, in one line; ``None`` if it did not.
    """

    name: str
    status: RunStatus
    frames: int
    warnings: tuple[str, ...] = ()
    error: str | None = None


def run_jobs(
    jobs: Sequence[Job],
    out: str | Path,
    *,
    preset: str | Path = "persam",
    overrides: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    outputs: Sequence[Output] = DEFAULT_OUTPUTS,
    on_progress: OnProgress | None = None,
) -> Iterator[JobResult]:
    """Track each video into a folder of its own; see :func:`persam_video.run.track_to_folder`.

    Names and settings of all jobs are checked by the call itself, before the first one begins.
    Jobs in a row that want the same model share it. After a keyboard interrupt no job begins.

    Args:
        jobs: in the order in which they run.
        out: where the folders are, each with the name of its job.
        preset: a preset's name or a YAML file.
        overrides: settings of all jobs by dotted key; those of a job lie over them.
        overwrite: replace earlier runs in the folders.
        resume: go on with earlier runs; finished ones are left as they are.
        outputs: what to write for each.
        on_progress: called after every frame.

    Yields:
        One result for each job that was begun.

    Raises:
        ConfigError: two jobs have one name, or a setting of one is unknown or out of range.
    """
    if overwrite and resume:
        raise ConfigError("--overwrite starts anew and --resume goes on: give one of them")
    resolved: dict[str, Settings] = {}
    for job in jobs:
        # on some file systems these are one folder
        if job.name.casefold() in resolved:
            raise ConfigError(f"two jobs are named {job.name}: give one of them another 'name'")
        try:
            settings = load_settings(preset, {**(overrides or {}), **job.overrides})
        except ConfigError as error:
            raise ConfigError(f"job {job.name}: {error}") from error
        resolved[job.name.casefold()] = settings

    def results() -> Iterator[JobResult]:
        models = _LastModel()
        for job, settings in zip(jobs, resolved.values(), strict=True):
            done = 0

            def count(progress: Progress) -> None:
                nonlocal done
                if not progress.backwards:
                    done = progress.done
                if on_progress is not None:
                    on_progress(progress)

            try:
                record = track_to_folder(
                    job.source,
                    job.masks,
                    Path(out) / job.name,
                    settings=settings,
                    model=models.get(settings),
                    prompts=job.prompts,
                    overwrite=overwrite,
                    resume=resume,
                    outputs=outputs,
                    on_progress=count,
                )
            except KeyboardInterrupt:
                yield JobResult(job.name, RunStatus.INTERRUPTED, done)
                return
            except PersamVideoError as error:
                yield JobResult(job.name, RunStatus.FAILED, done, error=str(error))
            except Exception as error:
                # the other videos are not to suffer from what nobody foresaw in this one
                words = " ".join(str(error).split())
                yield JobResult(
                    job.name, RunStatus.FAILED, done, error=f"{type(error).__name__}: {words}"
                )
            else:
                yield JobResult(job.name, record.status, record.frames_done, tuple(record.warnings))
                if record.status is RunStatus.INTERRUPTED:
                    return

    return results()


@dataclass
class _LastModel:
    """The model of the last job, for the next one that wants the same."""

    wanted: ModelSettings | None = None
    model: SamModel | None = None

    def get(self, settings: Settings) -> SamModel:
        if self.model is None or self.wanted != settings.model:
            self.model = None  # its memory is free before the next one is loaded
            self.model, self.wanted = load_model(settings), settings.model
        return self.model
