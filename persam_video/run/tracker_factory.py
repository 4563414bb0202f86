"""Creating the tracker that the settings choose, and checking what it supports."""

from collections.abc import Collection, Sequence

from persam_video.config import Settings
from persam_video.images.reference_files import Reference
from persam_video.images.search import SEEN
from persam_video.run.seeker import SeekingTracker, photo_segmenter
from persam_video.sam.model import SamModel
from persam_video.tracking.protocol import VideoTracker
from persam_video.tracking.tracker import Tracker
from persam_video.upstream.tracker import UpstreamTracker
from persam_video.util.timing import StageClock


def make_tracker(
    model: SamModel,
    settings: Settings,
    clock: StageClock | None = None,
    photos: Sequence[Reference] = (),
    min_score: float = SEEN,
    *,
    soft: bool = False,
) -> VideoTracker:
    """Create the tracker for ``settings.procedure``.

    Args:
        model: the SAM.
        settings: all settings of the run.
        clock: timer of the tracker's stages.
        photos: reference photos of objects to search for.
        min_score: match score, 0 to 1, from which an object of the photos counts as seen.
        soft: whether results hold soft masks, which those of the procedure ``upstream`` never do.

    Raises:
        ConfigError: the procedure does not support a setting.
        AnnotationError: a photo's annotation does not fit it.
    """
    if settings.procedure == "upstream":
        return UpstreamTracker(model, settings, clock)
    tracker = Tracker(model, settings, clock, soft=soft)
    if not photos:
        return tracker
    return SeekingTracker(tracker, photo_segmenter(model, settings, photos, min_score))


def check_procedure(
    settings: Settings,
    annotated: Collection[int],
    start: int,
    *,
    photos: bool = False,
    backward: bool = False,
) -> None:
    """Check that ``settings.procedure`` supports a run, before a model is loaded.

    Args:
        settings: all settings of the run.
        annotated: indices of the annotated frames.
        start: index of the first frame.
        photos: whether objects are given by reference photos.
        backward: whether objects are also tracked backwards.

    Raises:
        ConfigError: the procedure ``upstream`` is given more than an annotation of the first
            frame, or is to track backwards.
    """
    if set(annotated) != {start} or photos:
        settings.require_tracker(
            f"takes one annotation, of the first frame (here {start}): leave out the others, or "
            "set procedure to 'tracker'"
        )
    if backward:
        settings.require_tracker("only tracks forwards: drop --backward")
