"""The tracker: one instance tracks one video, frame by frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from persam_video.config import Settings
from persam_video.errors import AnnotationError
from persam_video.masks import Annotation, load_annotation
from persam_video.masks.arrays import MaskArray
from persam_video.masks.boxes import Box, boxes_of_labels
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.persam.learning import remember
from persam_video.persam.matching import cell_coverage
from persam_video.persam.seen import Predicted
from persam_video.results import FrameResult, SoftMask
from persam_video.sam.inference import inference
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.transform import View
from persam_video.tracking.ahead import embedding_of
from persam_video.tracking.inputs import as_frame, as_mask, check_frame_size, check_object_id
from persam_video.tracking.lost import believe
from persam_video.tracking.merging import merge_masks, soft_masks, won_masks
from persam_video.tracking.objects import TrackedObject, TrackerState
from persam_video.tracking.segmenter import Candidate, Segmenter
from persam_video.tracking.view import choose_view, still_shows
from persam_video.util.timing import StageClock
from persam_video.video.cuts import CutDetector
from persam_video.video.frame import Frame
from persam_video.video.picture import Picture


@dataclass(frozen=True)
class _Latest:
    """The last frame given to ``step``.

    Attributes:
        frame: the frame.
        embedding: embedding of the frame; ``None`` if not needed yet.
        labels: (H, W) label map of the frame.
        scores: of the objects that were segmented, by id.
        cut: whether the frame begins a new scene.
        soft: soft masks by id; empty unless requested.
    """

    frame: Frame
    embedding: ImageEmbedding | None
    labels: NDArray[np.uint8]
    scores: dict[int, float]
    cut: bool
    soft: Mapping[int, SoftMask] = field(default_factory=dict)

    @cached_property
    def boxes(self) -> dict[int, Box | None]:
        """Boxes of the objects by id; ``None`` for one without pixels."""
        return boxes_of_labels(self.labels, range(1, MAX_OBJECT_ID + 1))


class Tracker:
    """Tracks objects through one video.

    Give every frame in order, with an annotation where there is one: it adds objects with new ids,
    and relearns those with known ids. A frame before the first annotation has an empty label map
    and no objects.

    In your own loop, ``add_object``, ``correct`` and ``remove`` act on the last frame, so that you
    can look at its result first.

    Args:
        model: the SAM.
        settings: how to track; the preset ``persam`` when not given.
        clock: timer of the stages of every step: "encode", "prompt", "predict", "merge",
            "learn" and "remember".
        soft: whether results hold soft masks.

    Examples:
        >>> tracker = Tracker(load_sam())  # doctest: +SKIP
        >>> first = tracker.step(frames[0], annotation)  # doctest: +SKIP
        >>> results = [tracker.step(frame) for frame in frames[1:]]  # doctest: +SKIP
    """

    def __init__(
        self,
        model: SamModel,
        settings: Settings | None = None,
        clock: StageClock | None = None,
        *,
        soft: bool = False,
    ) -> None:
        self.model = model
        self.settings = settings or Settings()
        self._soft = soft
        self._objects: dict[int, TrackedObject] = {}
        self._frame_size: tuple[int, int] | None = None
        self._steps = 0
        self._latest: _Latest | None = None
        self._view: View | None = None
        # for the next frame, and for the one after it, which may be encoded before the next one's
        # masks are known
        self._planned: tuple[View | None, View | None] = (None, None)
        self._cuts = CutDetector()
        self._clock = clock or StageClock()
        self._segmenter = Segmenter(model, self.settings, self._clock)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects known so far, in order."""
        return tuple(sorted(self._objects))

    @property
    def view(self) -> View | None:
        """The part of the last frame that the model saw; ``None`` for all, and before any."""
        return self._view

    @property
    def view_ahead(self) -> View | None:
        """See ``VideoTracker``."""
        return self._planned[1]

    @inference()
    def add_object(self, object_id: int, mask: MaskArray) -> FrameResult:
        """Add an object by its mask in the last frame.

        The pixels go to the new object; the memories of other objects are unchanged.

        Args:
            object_id: a new id, 1 to 254.
            mask: (H, W), boolean or of 0 and 1, or anything else that ``masks.mask_array`` takes.

        Returns:
            The frame's result with the new object.

        Raises:
            AnnotationError: the id is taken or out of range, the mask is empty or does not fit, or
                there was no frame yet.
        """
        object_id = check_object_id(object_id)
        if object_id in self._objects:
            raise AnnotationError(
                f"object {object_id} is already known: use correct(), or choose another id"
            )
        return self._learn_latest(object_id, mask)

    @inference()
    def correct(self, object_id: int, mask: MaskArray) -> FrameResult:
        """Correct the mask of a known object in the last frame.

        From there on, the object is tracked as if it had first been annotated in that frame.

        Args:
            object_id: a known id.
            mask: (H, W), boolean or of 0 and 1, or anything else that ``masks.mask_array`` takes.

        Returns:
            The frame's result with the corrected object.

        Raises:
            AnnotationError: there is no such object, or the mask is empty or does not fit.
        """
        self._check_known(object_id)
        return self._learn_latest(object_id, mask)

    def remove(self, object_id: int) -> None:
        """Forget an object.

        Raises:
            AnnotationError: there is no such object.
        """
        self._check_known(object_id)
        del self._objects[object_id]
        if self._latest is not None:
            soft = {i: mask for i, mask in self._latest.soft.items() if i != object_id}
            labels = _without(self._latest.labels, object_id)
            self._latest = replace(self._latest, labels=labels, soft=soft)
        self._plan_anew(self._planned[0])

    def state(self) -> TrackerState:
        """Return everything that later frames depend on; later steps do not change it."""
        known = (self._objects[i] for i in self.object_ids)
        objects = tuple(replace(o, velocity=o.velocity.copy()) for o in known)
        return TrackerState(
            self._frame_size,
            self._steps,
            objects,
            self._cuts.picture,
            self._planned,
            self.model.info.image_size,
        )

    def restore(self, state: TrackerState) -> None:
        """Continue from a state of a tracker with the same model and settings.

        Later steps return what they would have returned from that tracker.
        """
        self._frame_size, self._steps = state.frame_size, state.steps
        self._objects = {o.object_id: replace(o) for o in state.objects}
        self._cuts = CutDetector(state.picture)
        self._view, self._planned = None, state.planned
        self._latest = None

    @inference()
    def step(
        self,
        frame: Frame | NDArray[np.uint8],
        annotation: Annotation | MaskArray | None = None,
    ) -> FrameResult:
        """Take the next frame.

        Args:
            frame: a ``Frame``, or a picture: uint8 RGB (H, W, 3) as a NumPy array or torch tensor,
                or a PIL image. Pictures are numbered from 0 in the order of the calls and have
                time 0. The buffer may be reused after the call.
            annotation: objects annotated in this frame, uint8 (H, W) label map.

        Returns:
            A result whose arrays are the caller's own.

        Raises:
            AnnotationError: the annotation does not fit the frame.
            SourceError: the frame is not such a picture, or differs in size from earlier ones.
        """
        frame = as_frame(frame, self._steps)
        size = check_frame_size(frame, self._frame_size)
        if annotation is not None:
            annotation = load_annotation(annotation, size)
        cut = self.settings.cuts.detect and self._cuts.sees_cut(frame.pixels)
        if cut:  # after a cut, old positions are meaningless
            for known in self._objects.values():
                known.lose()
        if self._objects or annotation is not None:
            self._latest = self._follow(frame, annotation, cut=cut)
        else:
            # a copy to encode when an object is added, as the caller may reuse the buffer
            own = frame
            if not isinstance(frame.pixels, Picture):
                own = replace(frame, pixels=frame.pixels.copy())
            self._latest = _Latest(own, None, np.zeros(size, np.uint8), {}, cut)
        self._frame_size = size
        if annotation is None:
            later = self._planned[1]
            self._planned = later, self._plan(later, size)
        else:
            self._plan_anew(self._view)
        self._steps += 1
        return self._result(self._latest)

    @inference()
    def read_ahead(self, embedding: ImageEmbedding) -> ImageEmbedding:
        """See ``VideoTracker``."""
        # in one step, as another thread may add or remove objects
        known = sorted(self._objects.values(), key=lambda o: o.object_id)
        return self._segmenter.read_ahead(embedding, known)

    def _follow(self, frame: Frame, annotation: Annotation | None, *, cut: bool) -> _Latest:
        """Segment the known objects, and learn the annotated ones."""
        given = annotation.object_ids if annotation is not None else ()
        with self._clock.stage("encode"):
            embedding = self._encode(frame, annotation)
        followed = [self._objects[i] for i in self.object_ids if i not in given]
        candidates = self._segmenter.segment(embedding, followed, self._steps)
        believed = believe(followed, candidates, self.settings.lost)
        with self._clock.stage("merge"):
            seen = list(compress(followed, believed))
            transform = embedding.transform
            placed = [transform.placed(c.logits) for c in compress(candidates, believed)]
            labels = merge_masks(placed, seen, transform.frame_size, self.settings.masks)
        if annotation is not None:
            labels = np.where(annotation.labels > 0, annotation.labels, labels)
            with self._clock.stage("learn"):
                learned = self._segmenter.learn(embedding, annotation, self._steps)
            self._objects |= {o.object_id: o for o in learned}
        scores = {o.object_id: c.score for o, c in zip(followed, candidates, strict=True)}
        soft = {}
        if self._soft:
            with self._clock.stage("merge"):
                ids = [o.object_id for o in seen]
                soft = soft_masks(placed, ids, labels, transform)
        latest = _Latest(frame, embedding, labels, scores, cut, soft)
        with self._clock.stage("remember"):
            self._remember(latest, embedding, followed, candidates, believed)
        return latest

    def _encode(self, frame: Frame, annotation: Annotation | None) -> ImageEmbedding:
        """Encode the visible part of a frame."""
        planned, later = self._planned
        if annotation is not None:
            self._view = self._plan(planned, frame.size, annotation.boxes)
        else:
            self._view = planned if self._still_shows(planned, frame.size) else later
        return embedding_of(frame, self.model, self._view)

    def _still_shows(self, view: View | None, size: tuple[int, int]) -> bool:
        objects, zoom = self._objects.values(), self.settings.zoom
        if not all(o.tracked for o in objects):
            return view is None
        boxes = [o.box for o in objects]
        return still_shows(view, boxes, size, self.model, zoom, sure=self._all_sure())

    def _all_sure(self) -> bool:
        return all(o.sure >= self.settings.zoom.sure_frames for o in self._objects.values())

    def _plan(
        self, current: View | None, size: tuple[int, int], given: Mapping[int, Box] | None = None
    ) -> View | None:
        """Choose a view of the objects, some at boxes that are given: all while one is lost."""
        given = given or {}
        known = [o for i, o in self._objects.items() if i not in given]
        if not all(o.tracked for o in known):
            return None
        boxes = [*(o.box for o in known), *given.values()]
        sure = self._all_sure() and not given
        return choose_view(boxes, size, self.model, self.settings.zoom, current, sure=sure)

    def _plan_anew(self, current: View | None) -> None:
        """Plan the next two views, as the objects are others now."""
        if self._frame_size is not None:
            view = self._plan(current, self._frame_size)
            self._planned = view, view

    def _learn_latest(self, object_id: int, mask: MaskArray) -> FrameResult:
        """Learn one object from its mask in the last frame, and assign it the mask's pixels."""
        if self._latest is None:
            raise AnnotationError("there is no frame yet to annotate: call step() first")
        latest = self._latest
        annotation = as_mask(mask, object_id, (latest.labels.shape[0], latest.labels.shape[1]))
        embedding = latest.embedding
        if embedding is None or not _shows(embedding, annotation):
            size = latest.frame.size
            self._view = self._plan(self._view, size, annotation.boxes)
            embedding = embedding_of(latest.frame, self.model, self._view)
        (learned,) = self._segmenter.learn(embedding, annotation, self._steps - 1)
        self._objects[object_id] = learned
        labels = _without(latest.labels, object_id)
        labels[annotation.labels > 0] = object_id
        scores = {i: score for i, score in latest.scores.items() if i != object_id}
        self._latest = _Latest(latest.frame, embedding, labels, scores, latest.cut)
        self._plan_anew(self._planned[0])
        return self._result(self._latest)

    def _check_known(self, object_id: int) -> None:
        if object_id not in self._objects:
            raise AnnotationError(f"no object {object_id}: known are {list(self.object_ids)}")

    def _remember(
        self,
        latest: _Latest,
        embedding: ImageEmbedding,
        objects: Sequence[TrackedObject],
        candidates: Sequence[Candidate],
        believed: Sequence[bool],
    ) -> None:
        """Update the state of each object; as a rule only good masks are remembered."""
        boxes = [
            latest.boxes[o.object_id] if b else None for o, b in zip(objects, believed, strict=True)
        ]
        absent_too = self._segmenter.remembers_absence
        if not objects or not (any(boxes) or absent_too):
            for o in objects:
                o.lose()
            return
        ids = [o.object_id for o in objects]
        masks = won_masks(
            [c.logits for c in candidates],
            ids,
            latest.labels,
            latest.boxes,
            embedding.transform,
        )
        coverage = cell_coverage(masks, embedding.grid)
        predicted = Predicted.of([c.predicted for c in candidates])
        memories = remember(self.model, embedding, masks, coverage, predicted, self._steps)
        for o, box, candidate, mask, memory in zip(
            objects, boxes, candidates, masks, memories, strict=True
        ):
            if box is None:
                o.lose()
            else:
                o.see(box, mask, candidate.likeness, sure=self._is_sure(candidate))
            if box is not None or absent_too:
                o.remember(memory, candidate.score, self.settings.memory)

    def _is_sure(self, candidate: Candidate) -> bool:
        zoom = self.settings.zoom
        alone = candidate.rival < zoom.rival
        return zoom.sure is not None and candidate.score >= zoom.sure and alone

    def _result(self, latest: _Latest) -> FrameResult:
        result = FrameResult.from_labels(
            latest.frame.index,
            latest.frame.time,
            latest.labels.copy(),  # a copy, as the caller may modify it
            self.object_ids,
            scores=latest.scores,
            boxes=latest.boxes,
            states={i: tracked.state for i, tracked in self._objects.items()},
            cut=latest.cut,
        )
        return replace(result, soft=latest.soft)


def _shows(embedding: ImageEmbedding, annotation: Annotation) -> bool:
    """Whether the whole annotation lies in the encoded part of the frame."""
    x0, y0, x1, y1 = embedding.transform.seen
    inside = np.count_nonzero(annotation.labels[y0:y1, x0:x1])
    return bool(inside == np.count_nonzero(annotation.labels))


def _without(labels: NDArray[np.uint8], object_id: int) -> NDArray[np.uint8]:
    return np.where(labels == object_id, np.uint8(0), labels)
