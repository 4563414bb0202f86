"""PerSAM on videos as in the reference implementation's two scripts, including their faults.

For comparison only. The scripts are ``persam_video.py`` and ``persam_video_f.py`` of
Personalize-SAM. Their only temporal prior is the last box: each object gets the points of
highest similarity, the centre of its last box, and that box, enlarged; the mask is refined twice.
Neither has guided attention, semantic prompting or negative points.

Faults of the scripts are kept where they change the masks, and are marked "Fault" below. Where the
scripts stop with an error, this tracker continues: an object with an empty mask has no mask in that
frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.config import Settings
from persam_video.errors import AnnotationError, ConfigError
from persam_video.masks import Annotation, load_annotation
from persam_video.masks.arrays import MaskArray
from persam_video.masks.boxes import Box, boxes_of_labels
from persam_video.masks.labels import merge_logits
from persam_video.persam.confidence import extreme_cells
from persam_video.persam.mask_weights import fit_mask_weights, mix_masks
from persam_video.persam.target import target_embedding
from persam_video.results import FrameResult
from persam_video.sam.inference import inference
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts
from persam_video.tracking.ahead import embedding_of
from persam_video.tracking.inputs import as_frame, check_frame_size
from persam_video.tracking.objects import TrackerState
from persam_video.upstream.steps import (
    FullSizeMasks,
    full_size_similarity,
    mask_box,
    painted_cells,
    predict,
    refine,
)
from persam_video.util.timing import StageClock
from persam_video.video.frame import Frame

SIMILARITY_POINTS = {"persam": 2, "persam-f": 1}
BOX_MARGIN = 10

_USED_SETTINGS = {"procedure", "method", "model", "weights"}


@dataclass(frozen=True)
class _Learned:
    """An object as learned from the first frame.

    Attributes:
        object_id: the annotation's label.
        target: (C,) target embedding.
        weights: (1, 2) PerSAM-F's mask weights.
    """

    object_id: int
    target: Tensor
    weights: Tensor | None


class UpstreamTracker:
    """Tracks objects through one video as the reference implementation does.

    Give the first frame with its annotation, then every later frame in order.

    Args:
        model: the SAM; upstream uses ViT-H.
        settings: only ``method`` and ``weights`` are used.
        clock: timer of the stage "encode".

    Raises:
        ConfigError: another setting is not at its default.
    """

    def __init__(
        self,
        model: SamModel,
        settings: Settings | None = None,
        clock: StageClock | None = None,
    ) -> None:
        self.model = model
        self._clock = clock or StageClock()
        self.settings = settings or Settings(procedure="upstream")
        _refuse_unused(self.settings)
        self._similar = SIMILARITY_POINTS[self.settings.method]
        self._learned: list[_Learned] = []
        self._boxes: list[Box] = []
        self._frame_size: tuple[int, int] | None = None
        self._steps = 0

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects, in order."""
        return tuple(learned.object_id for learned in self._learned)

    @property
    def view_ahead(self) -> None:
        """The model always sees the whole frame."""

    def read_ahead(self, embedding: ImageEmbedding) -> ImageEmbedding:
        """Return the embedding: this tracker has no memory to read."""
        return embedding

    def state(self) -> None:
        """Return ``None``: this tracker cannot resume."""

    def restore(self, state: TrackerState) -> None:
        """Refuse any state, as this tracker cannot resume.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("the procedure 'upstream' cannot resume: track all frames again")

    @inference()
    def step(
        self,
        frame: Frame | NDArray[np.uint8],
        annotation: Annotation | MaskArray | None = None,
    ) -> FrameResult:
        """Take the next frame.

        Args:
            frame: a ``Frame``, or a picture: uint8 RGB (H, W, 3).
            annotation: annotation of the first frame; none for later ones.

        Raises:
            AnnotationError: the first frame has no annotation, one that does not fit, or a later
                frame has one.
            SourceError: the frame differs in size from earlier ones.
        """
        frame = as_frame(frame, self._steps)
        size = check_frame_size(frame, self._frame_size)
        if self._learned:
            if annotation is not None:
                raise AnnotationError(
                    "the procedure 'upstream' takes one annotation, with the first frame: "
                    "leave later ones out, or use the procedure 'tracker'"
                )
            labels, scores = self._follow(self._encode(frame))
        else:
            if annotation is None:
                raise AnnotationError("nothing to track: give the first frame with its annotation")
            labels = load_annotation(annotation, size).labels
            self._frame_size = size
            scores = self._start(self._encode(frame), labels)
        boxes = boxes_of_labels(labels, self.object_ids)
        self._boxes = _present(boxes)
        self._steps += 1
        return FrameResult.from_labels(
            frame.index,
            frame.time,
            labels,
            self.object_ids,
            scores={i: scores.get(i, 0.0) for i in self.object_ids},
            boxes=boxes,
        )

    def _encode(self, frame: Frame) -> ImageEmbedding:
        with self._clock.stage("encode"):
            return embedding_of(frame, self.model)

    def _start(self, embedding: ImageEmbedding, labels: NDArray[np.uint8]) -> dict[int, float]:
        """Learn the objects of the first frame."""
        ids = [int(value) for value in np.unique(labels) if value]
        boxes = _present(boxes_of_labels(labels, ids))
        for object_id, box in zip(ids, boxes, strict=True):
            mask = labels == object_id
            cells = painted_cells(mask, embedding)
            # Fault: an object smaller than a cell has none. Upstream then computes with NaN, here
            # the similarity is 0 everywhere: either way the points are meaningless, and only box
            # and centre are left.
            target = target_embedding(embedding.features, cells[None].float())[0]
            weights = None
            if self.settings.method == "persam-f":
                first = predict(
                    self.model, embedding, first_prompts(embedding, target, box, self._similar)
                )
                truth = torch.from_numpy(mask).to(self.model.device)
                fit = self.settings.weights
                weights = fit_mask_weights(
                    first.full[None],
                    truth[None],
                    steps=fit.steps,
                    learning_rate=fit.learning_rate,
                )
            self._learned.append(_Learned(object_id, target, weights))
        return dict.fromkeys(ids, 1.0)

    def _follow(self, embedding: ImageEmbedding) -> tuple[NDArray[np.uint8], dict[int, float]]:
        """Segment the objects in a later frame, and merge them by their logits."""
        found: dict[int, FullSizeMasks] = {}
        # Fault: the boxes are those of the labels that were present in the last frame, without
        # saying which. When an object vanishes, the boxes after it go to the objects before theirs,
        # and the last object is never searched for again.
        for learned, box in zip(self._learned, self._boxes, strict=False):
            answer = self._segment(embedding, learned, box)
            if answer is not None:
                found[learned.object_id] = answer
        scores = {i: min(max(float(m.iou[0]), 0.0), 1.0) for i, m in found.items()}
        if not found:
            return np.zeros(embedding.transform.frame_size, np.uint8), scores
        planes = torch.cat([masks.full for masks in found.values()])
        return merge_logits(planes.cpu().numpy(), list(found)), scores

    def _segment(
        self, embedding: ImageEmbedding, learned: _Learned, box: Box
    ) -> FullSizeMasks | None:
        prompts = first_prompts(embedding, learned.target, box, self._similar)
        first = predict(self.model, embedding, prompts)
        if learned.weights is not None:
            return self._refine_mixed(embedding, prompts, first, learned.weights)
        # Fault: the largest mask is intended, but areas are stored in 8 bits.
        areas = (first.full > 0).sum(dim=(1, 2)) % 256
        return refine(self.model, embedding, prompts, first.take(int(areas.argmax())).low)

    def _refine_mixed(
        self, embedding: ImageEmbedding, prompts: Prompts, first: FullSizeMasks, weights: Tensor
    ) -> FullSizeMasks | None:
        low, full = (mix_masks(logits[None], weights)[0] for logits in (first.low, first.full))
        new_box = mask_box(full[0])
        if new_box is None:
            # Fault: every score is multiplied by the first mask's share, so that the worst mask
            # would be taken if that share were negative.
            shared = first.iou * (1 - weights.sum())
            new_box = mask_box(first.full[int(shared.argmax())])
        if new_box is None:
            return None
        return refine(self.model, embedding, prompts, low, new_box)


def first_prompts(embedding: ImageEmbedding, target: Tensor, box: Box, similar: int) -> Prompts:
    """Build the first pass's prompts of one object: most similar points, box and its centre.

    Args:
        embedding: of the frame.
        target: (C,) target embedding.
        box: last box in the frame.
        similar: number of most similar pixels to use as points.
    """
    height, width = size = embedding.transform.frame_size
    similarity = full_size_similarity(embedding, target[None])
    points, _ = extreme_cells(similarity, size, similar, 0)
    x0, y0 = (max(low - BOX_MARGIN, 0) for low in box[:2])
    # the far side may lie one pixel outside the frame, as in upstream
    x1, y1 = (
        min(high - 1 + BOX_MARGIN, limit)
        for high, limit in zip(box[2:], (width, height), strict=True)
    )
    centre = points.new_tensor([[[(x0 + x1) // 2, (y0 + y1) // 2]]])
    points = torch.cat([points, centre], dim=1)
    return Prompts(
        points=points,
        point_labels=points.new_ones(points.shape[:2]),
        boxes=points.new_tensor([[x0, y0, x1, y1]]),
    )


def _refuse_unused(settings: Settings) -> None:
    default = Settings()
    for name in type(settings).model_fields:
        if name not in _USED_SETTINGS and getattr(settings, name) != getattr(default, name):
            raise ConfigError(
                f"the procedure 'upstream' follows its scripts and has no '{name}' settings: "
                "drop them, or set procedure to 'tracker'"
            )


def _present(boxes: Mapping[int, Box | None]) -> list[Box]:
    return [box for box in boxes.values() if box is not None]
