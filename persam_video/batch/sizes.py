"""How much work a job is, before it begins."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from persam_video.batch.jobs import Job
from persam_video.errors import PersamVideoError
from persam_video.fleet.storage import is_remote, size_of
from persam_video.masks import MaskFile, read_annotation
from persam_video.masks.formats import is_picture
from persam_video.util.urls import url_of
from persam_video.video import FrameStream
from persam_video.video.source import SourceKind, locate

_PIXELS_PER_BYTE = 80.0  # of a usual H.264 video, which has 0.1 bits for a pixel
_UNKNOWN_FRAMES = 1000
_AT_ONCE = 16  # sources that are looked into at the same time, since storage takes its time


def job_sizes(jobs: Sequence[Job]) -> list[float]:
    """Return frames times pixels times objects of each job; 0 for a source that cannot be read.

    A video on a storage is not opened: its bytes stand for its pixels.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(_size, jobs))


def _size(job: Job) -> float:
    try:
        return _pixels(job.source) * _objects(job)
    except (PersamVideoError, OSError):  # the worker that is to track it says what is wrong
        return 0.0


def _pixels(source: str) -> float:
    if is_remote(source):
        return size_of(source) * _PIXELS_PER_BYTE
    if locate(source).kind in (SourceKind.CAMERA, SourceKind.URL):
        return 0.0  # opening it might take what it shows from the one who is to track it
    with FrameStream(source, prefetch=0) as stream:
        info = stream.info
    return float((info.frame_count or _UNKNOWN_FRAMES) * info.height * info.width)


def _objects(job: Job) -> int:
    ids = {prompt.object_id for prompt in job.prompts}
    for mask in job.masks.values():
        if (
            isinstance(mask, MaskFile)
            and not is_remote(url_of(mask.path))
            and is_picture(mask.path)
        ):
            ids |= set(read_annotation(mask.path).object_ids)
    return max(1, len(ids))
