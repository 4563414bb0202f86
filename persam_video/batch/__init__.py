"""Many videos, each with its annotations, one after the other or several at once."""

from persam_video.batch.jobs import Job, read_jobs
from persam_video.batch.run import JobProgress, JobResult, run_jobs

__all__ = ["Job", "JobProgress", "JobResult", "read_jobs", "run_jobs"]
