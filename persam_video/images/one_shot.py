"""One-shot segmentation of photos: learn objects from annotated images, find them in others.

This is the tracker's method without the temporal prior: every image is segmented by itself.
Source: Zhang et al., "Personalize Segment Anything Model with One Shot", ICLR 2024.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persam_video.config import Settings, load_settings
from persam_video.errors import AnnotationError
from persam_video.images.match import match_score
from persam_video.images.reference_files import Reference
from persam_video.images.search import Search
from persam_video.masks.boxes import Box, box_of
from persam_video.masks.components import keep_large, keep_nearest
from persam_video.masks.labels import merge_logits
from persam_video.persam.cascade import Cascade
from persam_video.persam.confidence import extreme_cells, standardise
from persam_video.persam.learning import LearnedObject, learn_objects
from persam_video.persam.matching import Memory, match_memories
from persam_video.persam.target import location_confidence
from persam_video.sam.inference import inference
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts


@dataclass(frozen=True, eq=False)
class Segment:
    """One object in an image.

    Attributes:
        label: the object's id in the reference photo, or its rank in the order found; see
            ``Search``.
        mask: bool (H, W), with at least one pixel; the masks of an image do not overlap.
        score: similarity of mask and object, part by part (``persam_video.images.match``); when
            searching for a category, the IoU that the model predicts for the mask. 0 to 1.
        box: (x0, y0, x1, y1) in pixels, x1 and y1 exclusive.
    """

    label: int
    mask: NDArray[np.bool_]
    score: float
    box: Box


@dataclass(frozen=True)
class _Target:
    """One object, or one category, as learned from the reference photos.

    Attributes:
        label: the object's id.
        embedding: (C,) mean of the reference photos' target embeddings.
        memories: memories of the reference photos that show it.
        weights: (2,) mean of PerSAM-F's mask weights.
    """

    label: int
    embedding: Tensor
    memories: tuple[Memory, ...]
    weights: Tensor | None


@dataclass(frozen=True)
class _Guess:
    """The model's predictions for every target.

    Attributes:
        logits: (N, H, W).
        scores: predicted IoU, 0 to 1.
        peaks: pixels (x, y) of the highest confidence.
    """

    logits: NDArray[np.float32]
    scores: list[float]
    peaks: list[tuple[float, float]]


class OneShotSegmenter:
    """Finds the objects of annotated images in other images.

    Args:
        model: the SAM.
        references: the reference photos, at least one; an id stands for the same object in all.
        settings: ``prior``, ``lost``, ``prompts.box`` and ``prompts.mask`` have no effect here; the
            preset ``images`` when not given.
        search: how many objects to look for; ``Search()`` when not given.

    Raises:
        AnnotationError: there is no reference photo, or an annotation does not fit its image.
        ConfigError: the settings ask for the procedure ``upstream``, which is for videos.

    Examples:
        >>> segmenter = OneShotSegmenter(load_sam(), [Reference(rgb, mask)])  # doctest: +SKIP
        >>> [(s.label, s.box, s.score) for s in segmenter.segment(other)]  # doctest: +SKIP
    """

    @inference()
    def __init__(
        self,
        model: SamModel,
        references: Sequence[Reference],
        settings: Settings | None = None,
        search: Search | None = None,
    ) -> None:
        self._model = model
        self.settings = settings or load_settings("images")
        self._search = search or Search()
        check_settings(self.settings)
        cascade = self.settings.cascade
        self._cascade = Cascade(cascade.passes, matching=cascade.matching)
        self._targets = self._learn(references)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the reference photos' objects, in order."""
        return tuple(target.label for target in self._targets)

    @inference()
    def segment(self, rgb: NDArray[np.uint8]) -> list[Segment]:
        """Find the objects in an image.

        Args:
            rgb: uint8 (H, W, 3), of any size.

        Returns:
            The objects found, in order of label.
        """
        return self.segment_encoded(self._model.encode(rgb))

    @inference()
    def segment_encoded(self, embedding: ImageEmbedding) -> list[Segment]:
        """Find the objects in an image that the same model has encoded already."""
        if self._search.max_objects == 1:
            return self._find_each(embedding)
        return self._find_all(embedding)

    def _learn(self, references: Sequence[Reference]) -> list[_Target]:
        shown = [self._learn_one(reference) for reference in references]
        if not shown:
            raise AnnotationError("nothing to search for: give at least one image with its mask")
        if self._search.max_objects > 1:
            return [_category(shown)]
        ids = sorted({o.object_id for objects in shown for o in objects})
        same = {i: [o for objects in shown for o in objects if o.object_id == i] for i in ids}
        return [_target(i, objects, [o.memory for o in objects]) for i, objects in same.items()]

    def _learn_one(self, reference: Reference) -> list[LearnedObject]:
        annotation = reference.marked
        embedding = self._model.encode(reference.rgb)
        return learn_objects(self._model, embedding, annotation, self.settings)

    def _find_each(self, embedding: ImageEmbedding) -> list[Segment]:
        """Find every target once; where masks overlap, the higher logit wins the pixel."""
        guess = self._predict(embedding, np.zeros(embedding.transform.frame_size, np.bool_))
        on_grid = embedding.transform.coverage(torch.from_numpy(guess.logits > 0), embedding.grid)
        scores = [
            match_score(embedding.keys, coverage.to(embedding.keys.device), target.memories)
            for coverage, target in zip(on_grid, self._targets, strict=True)
        ]
        kept = [n for n, score in enumerate(scores) if score >= self._search.least_score]
        ids = [self._targets[n].label for n in kept]
        labels = merge_logits(guess.logits[kept], ids)
        share = self.settings.masks.min_component
        found = []
        for n, object_id in zip(kept, ids, strict=True):
            mask = keep_large(labels == object_id, share)
            box = box_of(mask)
            if box is not None:
                found.append(Segment(object_id, mask, scores[n], box))
        return found

    def _find_all(self, embedding: ImageEmbedding) -> list[Segment]:
        """Find the one target repeatedly, each time where nothing was found yet."""
        found: list[Segment] = []
        masks: list[NDArray[np.bool_]] = []
        taken = np.zeros(embedding.transform.frame_size, np.bool_)
        while len(found) < self._search.max_objects:
            guess = self._predict(embedding, taken)
            # the matching prompt shows all objects at once; the point selects one of them
            mask = keep_nearest(guess.logits[0] > 0, guess.peaks[0])
            new = mask & ~taken
            box = box_of(new)
            again = any(_iou(mask, earlier) > self._search.overlap for earlier in masks)
            if box is None or again or guess.scores[0] < self._search.least_score:
                break
            found.append(Segment(len(found) + 1, new, guess.scores[0], box))
            masks.append(mask)
            taken |= mask
        return found

    def _predict(self, embedding: ImageEmbedding, taken: NDArray[np.bool_]) -> _Guess:
        """Segment every target outside ``taken``, bool (H, W): objects found so far."""
        targets = torch.stack([t.embedding for t in self._targets])
        where = torch.from_numpy(taken)[None].to(targets.device)
        on_grid = embedding.transform.coverage(where, embedding.grid)
        similarity = location_confidence(embedding.features, targets)
        # objects found so far are removed from the maps; upstream blacks them out
        # in the image and encodes it again
        confidence = standardise(similarity, embedding.inside) * (1 - on_grid)
        weights = [t.weights for t in self._targets if t.weights is not None]
        answer = self._cascade.run(
            self._model,
            embedding,
            self._prompts(embedding, targets, confidence, on_grid[0]),
            torch.stack(weights) if weights else None,
        )
        # a NaN from the model must not reach a mask or a score
        logits = embedding.transform.restore(answer.logits.nan_to_num(-1.0))[:, 0]
        peaks, _ = extreme_cells(confidence, embedding.inside, 1, 0)
        return _Guess(
            logits.cpu().numpy(),
            scores=answer.iou[:, 0].nan_to_num(0.0).clamp(0, 1).tolist(),
            peaks=[(x, y) for x, y in embedding.cell_centres(peaks)[:, 0].tolist()],
        )

    def _prompts(
        self, embedding: ImageEmbedding, targets: Tensor, confidence: Tensor, taken: Tensor
    ) -> Prompts:
        """Make the first pass's prompts; ``taken`` is (h, w), 0 to 1."""
        chosen, guidance = self.settings.prompts, self.settings.guidance
        cells, labels = extreme_cells(
            confidence, embedding.inside, chosen.positive_points, chosen.negative_points
        )
        matching = None
        if chosen.matching and self._model.takes_matching:
            matching = torch.stack([_match(embedding, t, taken) for t in self._targets])
        return Prompts(
            points=embedding.cell_centres(cells),
            point_labels=labels,
            attention_bias=confidence.flatten(1)[:, None, None] if guidance.attention else None,
            target_embedding=targets[:, None] if guidance.semantic else None,
            matching=matching,
        )


def check_settings(settings: Settings) -> None:
    """Refuse settings that make no sense for single images, before a model is loaded.

    Raises:
        ConfigError: the procedure is ``upstream``.
    """
    settings.require_tracker("is for videos: set procedure to 'tracker'")


def _category(shown: Sequence[Sequence[LearnedObject]]) -> _Target:
    """Merge all objects into one target; no example counts as background of another."""
    memories = [
        replace(
            objects[0].memory, coverage=torch.stack([o.memory.coverage for o in objects]).sum(0)
        )
        for objects in shown
    ]
    return _target(1, [o for objects in shown for o in objects], memories)


def _target(label: int, objects: Sequence[LearnedObject], memories: Sequence[Memory]) -> _Target:
    weights = [o.weights for o in objects if o.weights is not None]
    return _Target(
        label,
        embedding=torch.stack([o.target for o in objects]).mean(dim=0),
        memories=tuple(memories),
        weights=torch.stack(weights).mean(dim=0) if weights else None,
    )


def _match(embedding: ImageEmbedding, target: _Target, taken: Tensor) -> Tensor:
    """Return the matching prompt (4, h, w), with nothing for the recent frame.

    Args:
        embedding: of the image.
        target: the target; its best match in any of its reference photos counts.
        taken: (h, w) share of each cell that belongs to objects found so far, which now count as
            background.
    """
    alike, unlike = match_memories(embedding.keys, target.memories).float().amax(dim=0)
    now = torch.stack(
        [
            torch.lerp(alike, torch.minimum(alike, unlike), taken),
            torch.lerp(unlike, torch.maximum(alike, unlike), taken),
        ]
    )
    return torch.cat([now, torch.zeros_like(now)])


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0
