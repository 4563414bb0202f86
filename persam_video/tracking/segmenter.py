"""Segment a frame: build prompts from each object's memories, and predict the masks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from persam_video.config import Settings
from persam_video.errors import ConfigError
from persam_video.masks.annotation import Annotation
from persam_video.persam.cascade import Cascade
from persam_video.persam.confidence import blend, extreme_cells, standardise
from persam_video.persam.learning import learn_objects
from persam_video.persam.matching import Memory, cell_coverage, match_memories, others
from persam_video.persam.readouts import Readout, readout_of
from persam_video.persam.recall import Recalled
from persam_video.persam.seen import Predicted
from persam_video.persam.target import location_confidence
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.prompts import Prompts
from persam_video.sam.readout import PRIOR_CHANNELS
from persam_video.tracking.objects import TrackedObject
from persam_video.tracking.prior import grow_cells, mask_prompt, seen_from
from persam_video.util.timing import StageClock

_UNKNOWN = 32.0
"""Magnitude of the logit that replaces NaN and infinity."""

_ABSENT = -1024.0
"""SAM 2's logit of an object that is out of sight."""

_RIVAL_CELLS = 4
"""Number of cells that a look-alike has at least."""

_TRACE = 0.02
"""Coverage below which a cell counts as free of a mask."""

WINDOW_CELLS = 4.0
"""Smallest margin around an object's last box in which it is searched for: 64 input pixels."""


@dataclass(frozen=True)
class Candidate:
    """The model's prediction for one object in a frame.

    Attributes:
        logits: (h, w) low-resolution mask logits, finite.
        score: predicted IoU, 0 to 1.
        likeness: how much more the mask resembles the object than its surroundings, in the
            annotated frame or in the last good one, whichever is higher: mean difference of the
            two cosine similarities over the mask, -2 to 2. It is low for small objects, whose
            cells hold background too, and 0 for a model without matching maps.
        rival: greatest similarity to the object outside of all masks, as a share of that of its own
            mask; above 1, something else looks more like the object.
        predicted: what the model predicted for this object, if it predicts the presence of one.
    """

    logits: Tensor
    score: float
    likeness: float
    rival: float = 0.0
    predicted: Predicted | None = None

    @property
    def empty(self) -> bool:
        """Whether no pixel belongs to the object."""
        return not bool((self.logits > 0).any())


class Segmenter:
    """Segments remembered objects in encoded frames; it has no state of its own.

    Args:
        model: the SAM.
        settings: all are used except ``model``, ``memory``, ``zoom``, ``lost`` and ``masks``.
        clock: timer of the stages "prompt" and "predict".

    Raises:
        ConfigError: the settings do not suit the model.
    """

    def __init__(self, model: SamModel, settings: Settings, clock: StageClock) -> None:
        self._model = model
        self._clock = clock
        self._settings = settings
        chosen = settings.cascade
        self._cascade = Cascade(
            chosen.passes,
            chosen.sure,
            chosen.matching,
            chosen.readout,
            best=chosen.first == "best",
        )
        self._readout = readout_of(model) if settings.prompts.readout else None
        check_suits(model, settings, self._readout)

    @property
    def remembers_absence(self) -> bool:
        """Whether frames in which an object was not found are to be remembered, too."""
        return self._readout is not None and self._readout.remembers_absence

    def learn(
        self, embedding: ImageEmbedding, annotation: Annotation, step: int
    ) -> list[TrackedObject]:
        """Learn the objects of an annotation from its frame.

        Args:
            embedding: embedding of the annotated frame.
            annotation: annotation of the frame's size.
            step: number of the frame among those that the tracker took.

        Returns:
            A new object for each id.
        """
        return [
            TrackedObject(
                object_id=learned.object_id,
                target=learned.target,
                annotated=learned.memory,
                recent=learned.memory,
                mask=learned.mask,
                box=annotation.boxes[learned.object_id],
                weights=learned.weights,
            )
            for learned in learn_objects(self._model, embedding, annotation, self._settings, step)
        ]

    def read_ahead(
        self, embedding: ImageEmbedding, objects: Sequence[TrackedObject]
    ) -> ImageEmbedding:
        """Read what tracked objects remember for long before the frame's turn.

        Args:
            embedding: of the frame.
            objects: the objects.

        Returns:
            The embedding, with what was read.
        """
        memories = [_long_term(o) for o in objects if o.tracked]
        if self._readout is None or not memories:
            return embedding
        return self._readout.read_ahead(embedding, memories)

    def segment(
        self, embedding: ImageEmbedding, objects: Sequence[TrackedObject], step: int
    ) -> list[Candidate]:
        """Segment objects in a frame: all tracked ones together, and all lost ones.

        Args:
            embedding: of the frame.
            objects: the objects.
            step: number of the frame among those that the tracker took.
        """
        found: dict[int, Candidate] = {}
        for tracked in (True, False):
            group = [o for o in objects if o.tracked == tracked]
            if not group:
                continue
            weights = [o.weights for o in group if o.weights is not None]
            with self._clock.stage("prompt"):
                targets = torch.stack([o.target for o in group])
                similarity = location_confidence(embedding.features, targets)
                prompts = self._prompts(embedding, group, targets, similarity, tracked, step)
            with self._clock.stage("predict"):
                answer = self._cascade.run(
                    self._model, embedding, prompts, torch.stack(weights) if weights else None
                )
            # a NaN from the model must not reach a mask or a score
            logits = answer.logits[:, 0].nan_to_num(-_UNKNOWN, _UNKNOWN, -_UNKNOWN)
            scores = answer.iou[:, 0].nan_to_num(0.0).clamp(0, 1).tolist()
            if answer.presence is not None:
                logits = logits.where(answer.presence[:, None, None] > 0, _ABSENT)
            alike = _likenesses(logits, prompts.matching)
            rival = rivals(logits, similarity, embedding.inside).tolist()
            own = Predicted.first(replace(answer, logits=logits[:, None]))
            predicted = [None] * len(group) if own is None else own.split()
            parts = zip(group, logits, scores, alike, rival, predicted, strict=True)
            for o, mask, score, like, other, one in parts:
                found[o.object_id] = Candidate(mask, score, like, other, one)
        return [found[o.object_id] for o in objects]

    def _prompts(
        self,
        embedding: ImageEmbedding,
        group: Sequence[TrackedObject],
        targets: Tensor,
        similarity: Tensor,
        tracked: bool,
        step: int,
    ) -> Prompts:
        """Build the prompts of the first pass; a lost object gets none from its last mask."""
        chosen, prior = self._settings.prompts, self._settings.prior
        confidence = standardise(similarity, embedding.inside)
        boxes = masks = windows = None
        evidence = torch.zeros(len(group), PRIOR_CHANNELS, *embedding.grid, device=targets.device)
        if tracked:
            shift = confidence.new_tensor(np.stack([o.velocity for o in group]) * prior.motion)
            moved = _moved_masks(group, shift, embedding)
            alpha = confidence.new_full((len(group),), prior.alpha)
            on_grid = grow_cells(cell_coverage(moved, embedding.grid), prior.grow)
            confidence = blend(confidence, on_grid, alpha)
            evidence[:, 1] = prior.alpha * on_grid
            rest = cell_coverage(others(moved), embedding.grid)
            evidence[:, 2] = prior.alpha * grow_cells(rest, prior.grow)
            if chosen.box:
                boxes = _grown_boxes(
                    group, shift, chosen.box_margin, embedding.transform.frame_size
                )
            if chosen.mask:
                masks = mask_prompt(moved)
            if chosen.window is not None:
                windows = _windows(group, chosen.window, embedding)
        cells, labels = extreme_cells(
            confidence, embedding.inside, chosen.positive_points, chosen.negative_points
        )
        matching = None
        if chosen.matching and self._model.takes_matching:
            matching = _match(embedding, group)
        readout = None
        if self._readout is not None:
            evidence[:, 0] = confidence
            recalled = [self._recalled(o, tracked, step) for o in group]
            readout = self._readout.read(embedding, recalled, evidence)
        pointed = cells.shape[1] > 0
        guidance = self._settings.guidance
        return Prompts(
            points=embedding.cell_centres(cells) if pointed else None,
            point_labels=labels if pointed else None,
            boxes=boxes,
            masks=masks,
            attention_bias=confidence.flatten(1)[:, None, None] if guidance.attention else None,
            target_embedding=targets[:, None] if guidance.semantic else None,
            matching=matching,
            readout=readout,
            windows=windows,
        )

    def _recalled(self, o: TrackedObject, tracked: bool, step: int) -> Recalled:
        """Return the memories to read for an object; a lost one is searched for everywhere."""
        prior = self._settings.prior
        x, y = o.velocity * prior.motion
        share = prior.alpha if tracked else 0.0
        return Recalled(_long_term(o), o.recent, (float(x), float(y)), share, step)


def _long_term(o: TrackedObject) -> tuple[Memory, ...]:
    return (o.annotated, *o.past)


def check_suits(model: SamModel, settings: Settings, readout: Readout | None) -> None:
    """Check that a model can track with the settings.

    Args:
        model: the model.
        settings: all settings.
        readout: the readout that is used.

    Raises:
        ConfigError: nothing would tell the model where an object is, or it cannot look at a part
            of a frame.
    """
    prompts = settings.prompts
    pointed = prompts.positive_points > 0 or prompts.box or prompts.mask
    if readout is None and not pointed:
        raise ConfigError(
            f"these settings leave it to a memory to say where objects are, and {model.info.name} "
            "reads none: use sam2.1-* or edgetam with the weights for videos, or the preset persam"
        )
    if model.network.memory is not None and readout is not None and settings.zoom.limit > 1:
        raise ConfigError(
            f"{model.info.name} compares places across frames, so it has to see all of each: set "
            "zoom.limit to 1"
        )


def _moved_masks(
    group: Sequence[TrackedObject], shift: Tensor, embedding: ImageEmbedding
) -> Tensor:
    """Return the last masks (N, 4h, 4w), shifted, as the embedding shows them."""
    rows, columns = embedding.grid
    extent = shift.new_tensor(embedding.transform.extent)
    # one by one, as those last seen in different views have different sizes
    seen = [
        seen_from(
            o.mask[None],
            shift.new_tensor([o.recent.extent]),
            extent,
            by[None],
            (4 * rows, 4 * columns),
        )
        for o, by in zip(group, shift, strict=True)
    ]
    return torch.cat(seen)


def _windows(group: Sequence[TrackedObject], share: float, embedding: ImageEmbedding) -> Tensor:
    """Return the windows (N, 4), in cells, around the last boxes."""
    rows, columns = embedding.grid
    corners = embedding.features.new_tensor([o.box for o in group]).view(-1, 2, 2)
    cell = embedding.transform.padded_size[0] / rows
    boxes = embedding.transform.coordinates(corners).view(-1, 4) / cell
    longer = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True)
    margin = (share * longer).clamp(min=WINDOW_CELLS)
    begins = (boxes[:, :2] - margin).floor().clamp(min=0)
    ends = (boxes[:, 2:] + margin).ceil().minimum(boxes.new_tensor([columns, rows]))
    return torch.cat([begins, ends], dim=1).long()


def _match(embedding: ImageEmbedding, group: Sequence[TrackedObject]) -> Tensor:
    """Match objects with the annotated frame and with their last good one: (N, 4, h, w)."""
    memories = [memory for o in group for memory in (o.annotated, o.recent)]
    return match_memories(embedding.keys, memories).float().view(len(group), 4, *embedding.grid)


def _likenesses(logits: Tensor, matching: Tensor | None) -> list[float]:
    """Return the likeness of each mask; 0 without matching maps."""
    if matching is None:
        return [0.0] * len(logits)
    return [float(one) for one in likeness(logits, matching)]


def likeness(logits: Tensor, matching: Tensor) -> Tensor:
    """Return the likeness (N,) of masks, logits (N, H, W), by matching maps (N, 4, h, w)."""
    share = cell_coverage(logits.sigmoid(), (matching.shape[2], matching.shape[3]))
    cells = share.sum(dim=(1, 2))
    margins = matching[:, 0::2] - matching[:, 1::2]  # annotated frame, last good frame
    means = (margins * share[:, None]).sum(dim=(2, 3)) / cells.clamp(min=1e-6)[:, None]
    return means.amax(dim=1)


def rivals(logits: Tensor, similarity: Tensor, inside: tuple[int, int]) -> Tensor:
    """Return the greatest similarity to each object outside of all masks, relative to its mask's.

    Args:
        logits: (N, H, W) of the masks.
        similarity: (N, h, w) cosine similarity of each cell to the object.
        inside: rows and columns of cells that show the frame.

    Returns:
        (N,) similarity that a few cells reach, as a share of the mean over the mask; 0 where there
        are not as many cells, or none is similar.
    """
    share = cell_coverage(logits.sigmoid(), (similarity.shape[1], similarity.shape[2]))
    own = (similarity * share).sum(dim=(1, 2)) / share.sum(dim=(1, 2)).clamp(min=1e-6)
    free = grow_cells(share.amax(dim=0, keepdim=True), 1) < _TRACE
    free[:, inside[0] :] = free[:, :, inside[1] :] = False
    outside = similarity.masked_fill(~free, 0.0).flatten(1)
    reached = outside.topk(min(_RIVAL_CELLS, outside.shape[1])).values[:, -1]
    return reached.clamp(min=0) / own.clamp(min=1e-6)


def _grown_boxes(
    group: Sequence[TrackedObject], shift: Tensor, margin: float, frame_size: tuple[int, int]
) -> Tensor:
    boxes = torch.tensor([o.box for o in group], dtype=torch.float32, device=shift.device)
    grow = margin * (boxes[:, 2:] - boxes[:, :2])
    moved = boxes + shift.repeat(1, 2) + torch.cat([-grow, grow], dim=1)
    height, width = frame_size
    return moved.clamp(min=0).minimum(moved.new_tensor([width, height, width, height]))
