"""Objects that photos show, looked for in a video until they are found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from persam_video.config import load_settings
from persam_video.images.one_shot import OneShotSegmenter
from persam_video.images.reference_files import ReferenceFiles
from persam_video.masks.annotation import Annotation
from persam_video.results import FrameResult, ObjectResult, ObjectState
from persam_video.run.tracker_factory import VideoTracker
from persam_video.sam.model import SamModel
from persam_video.tracking.tracker import Tracker
from persam_video.video.frame import Frame


class SeekingTracker:
    """A tracker whose objects are named by photos instead of an annotation of the video.

    Every frame is searched, as single images are, for the objects that were not found yet: PerSAM's
    own task. What is found with a sufficient score becomes the object's annotation in that frame,
    and is tracked from there on. Until then the object is lost and has no mask.

    Args:
        tracker: that follows what is found.
        segmenter: of the photos; its search says what score is sufficient.
    """

    def __init__(self, tracker: Tracker, segmenter: OneShotSegmenter) -> None:
        self._tracker = tracker
        self._segmenter = segmenter

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects of the photos and of the annotations so far, in order."""
        return tuple(sorted({*self._tracker.object_ids, *self._segmenter.object_ids}))

    def step(
        self,
        frame: Frame | NDArray[np.uint8],
        annotation: Annotation | NDArray[np.uint8] | None = None,
    ) -> FrameResult:
        """Take the next frame; see ``persam_video.tracking.tracker.Tracker.step``.

        An object that an annotation marks is not looked for any more.
        """
        result = self._tracker.step(frame, annotation)
        rgb = frame.rgb if isinstance(frame, Frame) else frame
        missing = set(self._segmenter.object_ids) - set(self._tracker.object_ids)
        if missing:
            for segment in self._segmenter.segment(rgb):
                # what is tracked already keeps its pixels
                mask = segment.mask & (result.labels == 0)
                if segment.label in missing and mask.any():
                    result = self._tracker.add_object(segment.label, mask)
                    missing.remove(segment.label)
        lost = [ObjectResult(i, ObjectState.LOST, 0.0, None, 0) for i in missing]
        objects = sorted((*result.objects, *lost), key=lambda each: each.object_id)
        return replace(result, objects=tuple(objects))


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
