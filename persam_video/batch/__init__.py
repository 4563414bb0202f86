"""Tracking many videos, each with its own annotations, sequentially or in parallel."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.batch.fleet_options import FleetOptions, FleetProgress
    from persam_video.batch.jobs import Job, read_jobs
    from persam_video.batch.run import run_jobs
    from persam_video.batch.tracking import JobProgress, JobResult

__all__ = [
    "FleetOptions",
    "FleetProgress",
    "Job",
    "JobProgress",
    "JobResult",
    "read_jobs",
    "run_jobs",
]

__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.batch.jobs": ("Job", "read_jobs"),
        "persam_video.batch.fleet_options": ("FleetOptions", "FleetProgress"),
        "persam_video.batch.run": ("run_jobs",),
        "persam_video.batch.tracking": ("JobProgress", "JobResult"),
    },
)
