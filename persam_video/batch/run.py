"""Running a list of jobs; a job that fails does not stop the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam_video.batch.jobs import Job
from persam_video.batch.tracking import (
    Event,
    JobResult,
    JobTracker,
    OnJobProgress,
    PreparedJob,
    follow,
)
from persam_video.config import load_settings
from persam_video.errors import ConfigError, DatasetError
from persam_video.run import FolderOptions, OutputPaths
from persam_video.run.options import FolderKeywords, run_inputs, with_keywords
from persam_video.sam.share import use_share
from persam_video.sinks import RunRecord, RunStatus, read_run
from persam_video.util.inputs import ProtectedInputs
from persam_video.util.machine import available_cores
from persam_video.util.names import folded_name
from persam_video.util.workers import Executor, InProcess, Processes, Share

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from persam_video.batch.fleet_options import FleetOptions


def run_jobs(
    jobs: Sequence[Job],
    out: str | Path,
    *,
    preset: str | Path = "persam",
    overrides: Mapping[str, Any] | None = None,
    options: FolderOptions | None = None,
    workers: int = 1,
    on_progress: OnJobProgress = lambda progress: None,
    fleet: "FleetOptions | None" = None,
    **keywords: "Unpack[FolderKeywords]",
) -> Iterator[JobResult]:
    """Track each video into its own folder, as ``persam_video.run.track_to_folder`` does.

    The names and settings of all jobs are checked before the first one starts. Consecutive jobs
    that use the same model share it. After a keyboard interrupt no further job starts, and the
    running ones keep what they have written.

    Args:
        jobs: in the order in which they start.
        out: folder for the results; each job gets a subfolder named after it. With ``fleet`` also
            the URL of a storage, as every source and mask may be.
        preset: name of a preset, or a YAML file.
        overrides: settings for all jobs by dotted key; a job's own settings take precedence.
        options: options for every job, except mask, prompts and settings, which come from the job.
        workers: number of worker processes, which share the cores; 1 tracks in this process. With
            more than 1, the main module must be importable, as multiprocessing requires. Resume a
            batch with the same number: rounding depends on the number of threads.
        on_progress: called after every frame, in this process.
        fleet: track in the workers of a Ray cluster instead, see ``FleetOptions``; the largest
            videos begin first.
        **keywords: fields of ``FolderOptions``; they override those of ``options``.

    Yields:
        One result per started job, in order of completion.

    Raises:
        ConfigError: two jobs have the same name, or a setting is unknown or out of range.
        OutputError: the results of a job would overwrite an input of this or another job.
        PersamVideoError: with ``fleet``, while iterating: no worker of the cluster can be used, or
            the folder cannot be written to.
    """
    common = with_keywords(options or FolderOptions(), None, {**keywords})
    if common.overwrite and common.resume:
        raise ConfigError("--overwrite starts over and --resume continues: pass only one of them")
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, found {workers}")
    tasks: dict[str, PreparedJob] = {}
    for job in jobs:
        # on some file systems these are one folder
        if folded_name(job.name) in tasks:
            raise ConfigError(f"two jobs are named {job.name}: give one of them another 'name'")
        try:
            settings = load_settings(preset, {**(overrides or {}), **job.overrides})
        except ConfigError as error:
            raise ConfigError(f"job {job.name}: {error}") from error
        wanted = replace(common, mask=job.masks, prompts=job.prompts, settings=settings)
        tasks[folded_name(job.name)] = PreparedJob(job, OutputPaths(Path(out) / job.name), wanted)
    if fleet is not None:
        # imported late: it needs Ray
        from persam_video.batch.fleet import run_fleet  # noqa: PLC0415

        return run_fleet(tuple(tasks.values()), str(out), fleet, on_progress)
    inputs = ProtectedInputs()
    for task in tasks.values():
        inputs |= run_inputs(task.job.source, task.options)
    for task in tasks.values():
        task.paths.check(inputs)  # what one job reads, another must not write to

    def cut_off(name: str, done: int) -> JobResult:
        return _cut_off(tasks[folded_name(name)].paths, name, done)

    executor = _executor(min(workers, len(tasks)))
    return follow(executor, tuple(tasks.values()), on_progress, cut_off)


def _executor(workers: int) -> Executor[PreparedJob, Event, JobResult]:
    """Return what tracks the videos: this process, or several with a share of the cores each."""
    if workers < 2:
        return InProcess(JobTracker())
    return Processes(_make_job_tracker, workers, max(1, available_cores() // workers))


def _make_job_tracker(share: Share) -> JobTracker:
    use_share(share)
    return JobTracker()


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
