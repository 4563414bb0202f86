"""Photos that name the objects to look for."""

from collections.abc import Sequence

from persam_video.config import load_settings
from persam_video.images.one_shot import OneShotSegmenter
from persam_video.images.reference_files import ReferenceFiles
from persam_video.run.seeker import SeekingTracker
from persam_video.sam.model import SamModel
from persam_video.tracking.factory import VideoTracker
from persam_video.tracking.tracker import Tracker


def seek(tracker: VideoTracker, model: SamModel, photos: Sequence[ReferenceFiles]) -> VideoTracker:
    """Let a tracker look for the objects of photos; without photos it is returned as it is.

    Raises:
        PersamVideoError: a photo or its mask cannot be read, or they do not fit.
    """
    if not photos or not isinstance(tracker, Tracker):
        return tracker
    references = [each.read() for each in photos]
    preset = "images" if tracker.settings.method == "persam" else "images_f"
    return SeekingTracker(tracker, OneShotSegmenter(model, references, load_settings(preset)))
