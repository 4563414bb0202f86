"""Searching a video for the objects of reference photos."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from persam_video.config import Settings, load_settings
from persam_video.images.one_shot import OneShotSegmenter
from persam_video.images.reference_files import Reference
from persam_video.images.search import SEEN, Search
from persam_video.masks.annotation import Annotation
from persam_video.masks.arrays import MaskArray
from persam_video.results import FrameResult, ObjectResult, ObjectState
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.transform import View
from persam_video.tracking.inputs import as_frame
from persam_video.tracking.objects import TrackerState
from persam_video.tracking.tracker import Tracker
from persam_video.util.nested import flatten
from persam_video.video.frame import Frame

_PRESETS = {"persam": ("persam", "images"), "persam-f": ("persam_f", "images_f")}
"""By method, the presets for videos and for single images."""


class SeekingTracker:
    """A tracker whose objects are given by reference photos instead of an annotation.

    Every frame is searched like a single image for the objects not found yet, which is PerSAM's
    original task. A mask with a sufficient score becomes the object's annotation in that frame and
    is tracked from there on. Until then the object is lost and has no mask.

    Args:
        tracker: follows the objects that were found.
        segmenter: knows the photos; its search sets the sufficient score.
    """

    def __init__(self, tracker: Tracker, segmenter: OneShotSegmenter) -> None:
        self._tracker = tracker
        self._segmenter = segmenter
        self._steps = 0

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects of the photos and of the annotations so far, in order."""
        return tuple(sorted({*self._tracker.object_ids, *self._segmenter.object_ids}))

    @property
    def model(self) -> SamModel:
        """The SAM."""
        return self._tracker.model

    @property
    def view_ahead(self) -> View | None:
        """What the tracker that follows what was found has planned."""
        return self._tracker.view_ahead

    def read_ahead(self, embedding: ImageEmbedding) -> ImageEmbedding:
        """Read ahead what the tracker that follows what was found remembers."""
        return self._tracker.read_ahead(embedding)

    def state(self) -> TrackerState:
        """Return the state of the tracker that follows what was found."""
        return self._tracker.state()

    def restore(self, state: TrackerState) -> None:
        """Continue from a state; objects that it does not hold are still searched for."""
        self._tracker.restore(state)
        self._steps = state.steps

    def step(
        self,
        frame: Frame | NDArray[np.uint8],
        annotation: Annotation | MaskArray | None = None,
    ) -> FrameResult:
        """Take the next frame, as ``Tracker.step`` does, and search it for what is missing.

        An object that an annotation marks is no longer searched for.
        """
        frame = as_frame(frame, self._steps)
        self._steps += 1
        result = self._tracker.step(frame, annotation)
        missing = set(self._segmenter.object_ids) - set(self._tracker.object_ids)
        scores: dict[int, float] = {}
        if missing:
            for segment in self._segmenter.segment(frame.rgb):
                # what is tracked already keeps its pixels
                mask = segment.mask & (result.labels == 0)
                if segment.label in missing and mask.any():
                    result = self._tracker.add_object(segment.label, mask)
                    missing.remove(segment.label)
                    scores[segment.label] = segment.score
        lost = [ObjectResult(i, ObjectState.LOST, 0.0, None, 0) for i in missing]
        # what was found in this frame has the score of its match, and no annotation's
        seen = [replace(o, score=scores.get(o.object_id, o.score)) for o in result.objects]
        objects = sorted((*seen, *lost), key=lambda shown: shown.object_id)
        return replace(result, objects=tuple(objects))


def photo_segmenter(
    model: SamModel,
    settings: Settings,
    photos: Sequence[Reference],
    min_score: float = SEEN,
) -> OneShotSegmenter:
    """Learn the objects of photos, to search for them in the frames of a video.

    Args:
        model: the SAM.
        settings: settings of the tracker. Photos use the single-image preset of the same method,
            with the changes that these settings make to their own preset.
        photos: the photos, at least one.
        min_score: match score, 0 to 1, from which an object counts as seen.

    Raises:
        AnnotationError: a photo's annotation does not fit it.
    """
    video, image = _PRESETS[settings.method]
    same_model = {"model.name": settings.model.name}
    usual = flatten(load_settings(video, same_model).model_dump())
    wanted = flatten(settings.model_dump())
    changed = {key: value for key, value in wanted.items() if value != usual[key]} | same_model
    return OneShotSegmenter(model, photos, load_settings(image, changed), Search(score=min_score))
