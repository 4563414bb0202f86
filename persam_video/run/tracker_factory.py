"""The tracker that the settings ask for, and what it can be asked to do."""

from collections.abc import Collection, Sequence

from persam_video.config import Settings
from persam_video.errors import ConfigError
from persam_video.images.reference_files import ReferenceFiles
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
    photos: Sequence[ReferenceFiles] = (),
    min_score: float = SEEN,
) -> VideoTracker:
    """Make the tracker of ``settings.procedure``.

    Args:
        model: the SAM.
        settings: all of them.
        clock: is told of the tracker's stages; the procedure ``upstream`` has none.
        photos: of objects that the tracker looks for.
        min_score: see ``persam_video.run.TrackOptions``.

    Raises:
        ConfigError: the procedure does not take a setting that was made.
        PersamVideoError: a photo or its mask cannot be read, or they do not fit.
    """
    if settings.procedure == "upstream":
        return UpstreamTracker(model, settings)
    tracker = Tracker(model, settings, clock)
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
    """Refuse what ``settings.procedure`` cannot do, before a model is loaded for it.

    Args:
        settings: all of them.
        annotated: indices of the frames that are annotated.
        start: index of the first frame.
        photos: whether objects are looked for by photos.
        backward: whether objects are tracked backwards, too.

    Raises:
        ConfigError: the procedure ``upstream`` is given more than the first frame's annotation, or
            is to go backwards.
    """
    if settings.procedure != "upstream":
        return
    if set(annotated) != {start} or photos:
        raise ConfigError(
            f"the procedure 'upstream' takes one annotation, of the first frame (here {start}): "
            "leave out the others, or set procedure to 'tracker'"
        )
    if backward:
        raise ConfigError("the procedure 'upstream' only goes forwards: leave out --backward")
