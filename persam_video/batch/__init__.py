"""Many videos, each with its annotations, one after the other."""

from persam_video.batch.jobs import Job, read_jobs
from persam_video.batch.run import JobResult, run_jobs

__all__ = ["Job", "JobResult", "read_jobs", "run_jobs"]
