"""The tracker: one object holds one video and is given its frames one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from persam_video.config import Settings
from persam_video.errors import AnnotationError, SourceError
from persam_video.masks.annotation import Annotation
from persam_video.masks.boxes import boxes_of_labels, centre
from persam_video.masks.components import keep_large
from persam_video.masks.labels import areas_of_labels, merge_logits
from persam_video.persam.cascade import Cascade
from persam_video.persam.confidence import blend, extreme_cells, standardise
from persam_video.persam.mask_weights import fit_mask_weights
from persam_video.persam.matching import cell_coverage, matching_maps
from persam_video.persam.target import location_confidence, target_embedding
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts
from persam_video.tracking.objects import Memory, TrackedObject
from persam_video.tracking.prior import mask_prompt, move_masks, prior_on_grid
from persam_video.tracking.result import FrameResult, ObjectResult, ObjectState
from persam_video.video.frame import Frame


@dataclass(frozen=True)
class _Candidate:
    """What the model says of one object in the current frame.

    Attributes:
        logits: (h, w) low-resolution mask logits.
        score: predicted IoU, 0 to 1.
    """

    logits: Tensor
    score: float


class Tracker:
    """Tracks objects through one video.

    Give the annotated frame with its annotation first, then every later frame in order. An
    annotation may come with any later frame too: new ids are added, known ids get a new reference.

    Args:
        model: the SAM.
        settings: see :class:`persam_video.config.Settings`.

    Example:
        >>> tracker = Tracker(load_sam())  # doctest: +SKIP
        >>> first = tracker.step(frames[0], annotation)  # doctest: +SKIP
        >>> results = [tracker.step(frame) for frame in frames[1:]]  # doctest: +SKIP
    """

    def __init__(self, model: SamModel, settings: Settings | None = None) -> None:
        self.model = model
        self.settings = settings or Settings()
        self._objects: dict[int, TrackedObject] = {}
        self._frame_size: tuple[int, int] | None = None
        self._steps = 0
        self._cascade = Cascade(self.settings.cascade.passes, self.settings.cascade.matching)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects known so far, in order."""
        return tuple(sorted(self._objects))

    def remove(self, object_id: int) -> None:
        """Forget an object.

        Raises:
            AnnotationError: there is no such object.
        """
        if self._objects.pop(object_id, None) is None:
            raise AnnotationError(f"no object {object_id}: known are {list(self.object_ids)}")

    @torch.inference_mode()
    def step(
        self,
        frame: Frame | NDArray[np.uint8],
        annotation: Annotation | NDArray[np.uint8] | None = None,
    ) -> FrameResult:
        """Take the next frame.

        Args:
            frame: a :class:`Frame`, or uint8 RGB (H, W, 3), which is then numbered from 0 in the
                order of the calls and has time 0.
            annotation: objects that are marked by hand in this frame, uint8 (H, W) label map.

        Raises:
            AnnotationError: no object is known yet, or the annotation does not fit the frame.
            SourceError: the frame has another size than those before.
        """
        if not isinstance(frame, Frame):
            frame = Frame(self._steps, frame, 0.0)
        self._check_size(frame)
        if annotation is not None and not isinstance(annotation, Annotation):
            annotation = Annotation.from_labels(annotation)
        given = annotation.object_ids if annotation is not None else ()
        if not self._objects and not given:
            raise AnnotationError("nothing to track yet: give the first frame with its annotation")
        embedding = self.model.encode(frame.rgb)
        followed = [self._objects[i] for i in self.object_ids if i not in given]
        candidates = self._segment(embedding, followed)
        believed = self._believe(followed, candidates)
        labels = self._merge(embedding, followed, candidates, believed)
        if annotation is not None:
            if annotation.labels.shape != frame.rgb.shape[:2]:
                height, width = annotation.labels.shape
                raise AnnotationError(
                    f"the annotation is {width}x{height}, the frame "
                    f"{frame.rgb.shape[1]}x{frame.rgb.shape[0]}: give a mask of the frame's size"
                )
            labels = np.where(annotation.labels > 0, annotation.labels, labels)
            self._add(embedding, annotation)
        self._remember(embedding, followed, candidates, believed, labels)
        self._steps += 1
        scores = {o.object_id: c.score for o, c in zip(followed, candidates, strict=True)}
        return self._result(frame, labels, scores)

    def _check_size(self, frame: Frame) -> None:
        size = (frame.rgb.shape[0], frame.rgb.shape[1])
        if self._frame_size is None:
            self._frame_size = size
        elif size != self._frame_size:
            was = f"{self._frame_size[1]}x{self._frame_size[0]}"
            raise SourceError(
                f"frame {frame.index} is {size[1]}x{size[0]}, the ones before were {was}: "
                "split the video where its size changes"
            )

    def _add(self, embedding: ImageEmbedding, annotation: Annotation) -> None:
        """Make (or renew) an object for every id of an annotation."""
        ids = annotation.object_ids
        masks = torch.from_numpy(np.stack([annotation.labels == i for i in ids]))
        padded = embedding.transform.mask(masks.to(self.model.device))
        rows, columns = embedding.grid
        soft = F.adaptive_avg_pool2d(padded[:, None], (4 * rows, 4 * columns))[:, 0]
        coverage = cell_coverage(soft, embedding.grid)
        targets = target_embedding(embedding.features, coverage, self.settings.target.pooling)
        weights = self._fit_weights(embedding, targets, soft)
        boxes = boxes_of_labels(annotation.labels, ids)
        for place, object_id in enumerate(ids):
            box = boxes[object_id]
            if box is None:
                raise AnnotationError(f"object {object_id} has no pixel in its annotation")
            reference = Memory(embedding.keys, coverage[place])
            self._objects[object_id] = TrackedObject(
                object_id=object_id,
                target=targets[place],
                reference=reference,
                recent=reference,
                mask=soft[place],
                box=box,
                weights=None if weights is None else weights[place],
            )

    def _fit_weights(
        self, embedding: ImageEmbedding, targets: Tensor, truth: Tensor
    ) -> Tensor | None:
        """Fit PerSAM-F's weights on the reference, with one positive point, as PerSAM-F does."""
        if self.settings.method != "persam-f":
            return None
        similarity = location_confidence(embedding.features, targets)
        cells, labels = extreme_cells(similarity, embedding.inside, 1, 0)
        prompts = Prompts(points=_cell_centres(cells, embedding), point_labels=labels)
        logits = self.model.decode(embedding, prompts).logits[:, 1:]
        fit = self.settings.weights
        return fit_mask_weights(logits, truth, steps=fit.steps, learning_rate=fit.learning_rate)

    def _segment(
        self, embedding: ImageEmbedding, objects: Sequence[TrackedObject]
    ) -> list[_Candidate]:
        """Segment objects in a frame: those that are tracked together, and those that are lost."""
        found: dict[int, _Candidate] = {}
        for tracked in (True, False):
            group = [o for o in objects if o.tracked == tracked]
            if not group:
                continue
            weights = [o.weights for o in group if o.weights is not None]
            answer = self._cascade.run(
                self.model,
                embedding,
                self._prompts(embedding, group, tracked),
                torch.stack(weights) if weights else None,
            )
            # a model's NaN must not reach a mask or a score
            logits = answer.logits[:, 0].nan_to_num(-MISSING, MISSING, -MISSING)
            scores = answer.iou[:, 0].nan_to_num(0.0).clamp(0, 1).tolist()
            for o, mask, score in zip(group, logits, scores, strict=True):
                found[o.object_id] = _Candidate(mask, score)
        return [found[o.object_id] for o in objects]

    def _prompts(
        self, embedding: ImageEmbedding, group: Sequence[TrackedObject], tracked: bool
    ) -> Prompts:
        """Make the first pass's prompts; a lost object gets none from its last mask."""
        chosen, prior = self.settings.prompts, self.settings.prior
        targets = torch.stack([o.target for o in group])
        similarity = location_confidence(embedding.features, targets)
        confidence = standardise(similarity, embedding.inside)
        boxes = masks = None
        if tracked:
            shift = torch.tensor(
                np.stack([o.velocity for o in group]) * prior.motion,
                dtype=torch.float32,
                device=self.model.device,
            )
            per_pixel = group[0].mask.shape[0] / embedding.transform.padded_size[0]
            moved = move_masks(
                torch.stack([o.mask for o in group]),
                embedding.transform.coordinates(shift) * per_pixel,
            )
            alpha = confidence.new_full((len(group),), prior.alpha)
            on_grid = prior_on_grid(moved, embedding.grid, prior.grow)
            confidence = blend(confidence, on_grid, alpha)
            if chosen.box:
                boxes = self._grown_boxes(group, shift, chosen.box_margin)
            if chosen.mask:
                masks = mask_prompt(moved)
        cells, labels = extreme_cells(
            confidence, embedding.inside, chosen.positive_points, chosen.negative_points
        )
        matching = None
        if chosen.matching and self.model.takes_matching:
            matching = torch.cat([self._match(embedding, o) for o in group])
        guidance = self.settings.guidance
        return Prompts(
            points=_cell_centres(cells, embedding),
            point_labels=labels,
            boxes=boxes,
            masks=masks,
            attention_bias=confidence.flatten(1)[:, None, None] if guidance.attention else None,
            target_embedding=targets[:, None] if guidance.semantic else None,
            matching=matching,
        )

    def _match(self, embedding: ImageEmbedding, tracked: TrackedObject) -> Tensor:
        maps = [
            matching_maps(embedding.keys, memory.keys, memory.coverage[None])
            for memory in (tracked.reference, tracked.recent)
        ]
        return torch.cat(maps, dim=1).float()

    def _grown_boxes(self, group: Sequence[TrackedObject], shift: Tensor, margin: float) -> Tensor:
        boxes = torch.tensor([o.box for o in group], dtype=torch.float32, device=shift.device)
        grow = margin * (boxes[:, 2:] - boxes[:, :2])
        moved = boxes + shift.repeat(1, 2) + torch.cat([-grow, grow], dim=1)
        height, width = self._frame_size or (0, 0)
        return moved.clamp(min=0).minimum(moved.new_tensor([width, height, width, height]))

    def _believe(
        self, objects: Sequence[TrackedObject], candidates: Sequence[_Candidate]
    ) -> list[bool]:
        """Decide which candidates are good, and which objects are lost or found again."""
        lost = self.settings.lost
        believed = []
        for o, candidate in zip(objects, candidates, strict=True):
            empty = not bool((candidate.logits > 0).any())
            if o.tracked:
                good = not empty and candidate.score >= lost.score
            else:
                seen = not empty and candidate.score >= lost.found
                o.streak = o.streak + 1 if seen else 0
                good = o.streak >= lost.confirm
            believed.append(good)
        return believed

    def _merge(
        self,
        embedding: ImageEmbedding,
        objects: Sequence[TrackedObject],
        candidates: Sequence[_Candidate],
        believed: Sequence[bool],
    ) -> NDArray[np.uint8]:
        """Merge the believed masks by their logits into one label map of the frame's size."""
        frame_size = embedding.transform.frame_size
        kept = [
            (o.object_id, c) for o, c, b in zip(objects, candidates, believed, strict=True) if b
        ]
        if not kept:
            return np.zeros(frame_size, np.uint8)
        ids = [object_id for object_id, _ in kept]
        logits = embedding.transform.restore(torch.stack([c.logits for _, c in kept])[:, None])
        labels = merge_logits(logits[:, 0].cpu().numpy(), ids)
        share = self.settings.masks.min_component
        if share > 0:
            for object_id in ids:
                mask = labels == object_id
                labels[mask & ~keep_large(mask, share)] = 0
        return labels

    def _remember(
        self,
        embedding: ImageEmbedding,
        objects: Sequence[TrackedObject],
        candidates: Sequence[_Candidate],
        believed: Sequence[bool],
        labels: NDArray[np.uint8],
    ) -> None:
        """Update what is known of each object; a mask is evidence only while it is good."""
        ids = [o.object_id for o in objects]
        boxes = boxes_of_labels(labels, ids)
        good = [b and boxes[i] is not None for b, i in zip(believed, ids, strict=True)]
        masks = self._clean_masks(embedding, candidates, labels, ids) if any(good) else None
        coverage = None if masks is None else cell_coverage(masks, embedding.grid)
        for place, (o, is_good) in enumerate(zip(objects, good, strict=True)):
            box = boxes[o.object_id]
            if not is_good or box is None or masks is None or coverage is None:
                if o.tracked:
                    o.streak = 0
                o.state = ObjectState.LOST
                o.velocity = np.zeros(2)
                continue
            if o.tracked:
                o.velocity = np.subtract(centre(box), centre(o.box))
            o.state = ObjectState.TRACKED
            o.streak = 0
            o.box = box
            o.mask = masks[place]
            o.recent = Memory(embedding.keys, coverage[place])

    def _clean_masks(
        self,
        embedding: ImageEmbedding,
        candidates: Sequence[_Candidate],
        labels: NDArray[np.uint8],
        ids: Sequence[int],
    ) -> Tensor:
        """Return soft masks (N, h, w) without what lost to other objects or was removed as specks."""
        soft = torch.stack([c.logits for c in candidates]).sigmoid()
        final = torch.from_numpy(np.stack([labels == i for i in ids])).to(soft.device)
        area = F.adaptive_avg_pool2d(embedding.transform.mask(final)[:, None], soft.shape[-2:])
        near = F.max_pool2d(area, 3, stride=1, padding=1)[:, 0]
        return torch.where(near > 0, soft, torch.zeros_like(soft))

    def _result(
        self, frame: Frame, labels: NDArray[np.uint8], scores: dict[int, float]
    ) -> FrameResult:
        ids = self.object_ids
        boxes = boxes_of_labels(labels, ids)
        areas = areas_of_labels(labels, ids)
        objects = tuple(
            ObjectResult(i, self._objects[i].state, scores.get(i, 1.0), boxes[i], areas[i])
            for i in ids
        )
        return FrameResult(frame.index, frame.time, labels, objects)


MISSING = 32.0
"""Magnitude of a logit that stands for a value the model could not compute."""


def _cell_centres(cells: Tensor, embedding: ImageEmbedding) -> Tensor:
    """Turn cells (N, P, 2), (column, row), into points in frame pixels."""
    transform = embedding.transform
    side = transform.padded_size[0] / embedding.grid[0]
    down = transform.frame_size[0] / transform.input_size[0]
    across = transform.frame_size[1] / transform.input_size[1]
    limit = cells.new_tensor([transform.frame_size[1] - 1, transform.frame_size[0] - 1])
    return ((cells + 0.5) * side * cells.new_tensor([across, down])).minimum(limit)
