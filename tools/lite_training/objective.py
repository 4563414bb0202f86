"""The training objective: clips in, a loss out.

Each clip is segmented in five ways, so that one set of weights serves first prompts, tracking,
re-detection and refinement.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lite_training.clips import ClipBatch
from lite_training.data import VOID
from lite_training.losses import decoder_loss, similarity_loss
from lite_training.prompts import (
    PromptSet,
    boxes_of,
    chance,
    damage_masks,
    extreme_points,
    jitter_boxes,
    random_points,
)
from persam_video.persam.matching import cell_coverage, matching_maps
from persam_video.persam.target import location_confidence, target_embedding
from persam_video.sam.lite import CELL, LiteFeatures, LiteSam
from persam_video.sam.transform import PIXEL_MEAN, PIXEL_STD
from persam_video.tracking.prior import mask_prompt

REFERENCE, PREVIOUS, CURRENT = range(3)


class Objective(torch.nn.Module):
    """The model with the objective around it; the offsets are training's own and do not ship."""

    def __init__(self, model: LiteSam) -> None:
        super().__init__()
        self.model = model
        self.offset_confidence = torch.nn.Parameter(torch.tensor(0.5))
        self.offset_matching = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, batch: ClipBatch, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch of clips and the figures to log."""
        model = self.model
        clips, frames, height, width, _ = batch.rgb.shape
        images = torch.from_numpy(batch.rgb).flatten(0, 1).float()
        images = ((images - torch.tensor(PIXEL_MEAN)) / torch.tensor(PIXEL_STD)).permute(0, 3, 1, 2)
        set_canvas(model, max(height, width))
        with torch.no_grad():
            quarter, eighth = model.image_encoder.backbone.fine(images)
        features = model.image_encoder.head(quarter, eighth)

        objects = torch.from_numpy(batch.targets)  # clips, objects, frames, H, W
        per_clip = objects.shape[1]
        truth = (objects == 1).flatten(0, 1).float()
        known = (objects != VOID).flatten(0, 1).float()
        grid = (height // CELL, width // CELL)
        fine = (4 * grid[0], 4 * grid[1])
        truth = F.adaptive_avg_pool2d(truth, fine)
        known = (F.adaptive_avg_pool2d(known, fine) > 0.99).float()
        coverage = F.adaptive_avg_pool2d(truth, grid)  # N, frames, h, w
        clip = torch.arange(clips).repeat_interleave(per_clip)

        task = _Task(model, features, clip * frames, truth, known, coverage, rng)
        blind, blind_masks = task.segment(PREVIOUS, REFERENCE, None, None)
        own = chance(len(clip), 0.5, rng)[:, None, None]
        earlier = torch.where(own, blind_masks, damage_masks(truth[:, [PREVIOUS]], rng)[:, 0])
        tracked, tracked_masks = task.segment(CURRENT, REFERENCE, PREVIOUS, earlier)
        # backwards in time with the truth's damaged mask, or a plain interactive prompt
        again, again_masks = task.segment(REFERENCE, CURRENT, None, None, interactive=True)
        refined, _ = task.refine(CURRENT, tracked_masks)
        refined_again, _ = task.refine(REFERENCE, again_masks)

        confidence, matching = task.similarity(self.offset_confidence, self.offset_matching)
        parts = (blind, tracked, again, refined, refined_again)
        total = torch.stack([part.loss for part in parts]).sum() + confidence + matching
        figures = {
            "blind": blind.iou,
            "tracked": tracked.iou,
            "again": again.iou,
            "refined": refined.iou,
            "confidence": confidence.item(),
            "matching": matching.item(),
        }
        return total, figures


@dataclass(frozen=True)
class _Round:
    loss: Tensor
    iou: float


class _Task:
    """Segments the objects of a batch in one frame of each clip, in several ways."""

    def __init__(
        self,
        model: LiteSam,
        features: LiteFeatures,
        first: Tensor,
        truth: Tensor,
        known: Tensor,
        coverage: Tensor,
        rng: torch.Generator,
    ) -> None:
        self.model = model
        self.features = features
        self.first = first
        self.truth = truth
        self.known = known
        self.coverage = coverage
        self.rng = rng
        self.scale = CELL / 4  # input pixels for one pixel of a low-resolution mask

    def segment(
        self,
        frame: int,
        reference: int,
        previous: int | None,
        prior: Tensor | None,
        *,
        interactive: bool = False,
    ) -> tuple[_Round, Tensor]:
        """Segment ``frame`` and return the round and the soft masks (N, 4h, 4w), detached.

        Args:
            frame: the frame to segment.
            reference: the frame whose true mask is known.
            previous: the frame that ``prior`` belongs to.
            prior: (N, 4h, 4w) soft masks of the previous frame.
            interactive: give points and boxes as a person would, and the reference more rarely.
        """
        rng, count = self.rng, len(self.first)
        embedding = self.features.embedding[self.first + frame]
        grid = embedding.shape[-2:]
        keys = self.features.keys
        maps = matching_maps(
            keys[self.first + frame], keys[self.first + reference], self.coverage[:, reference]
        )
        has_matching = chance(count, 0.35 if interactive else 0.92, rng)
        if previous is None or prior is None:
            maps = torch.cat([maps, torch.zeros_like(maps)], dim=1)
            mask = torch.zeros(count, 1, 4 * grid[0], 4 * grid[1])
            has_mask = torch.zeros(count, dtype=torch.bool)
            box_source = self.truth[:, frame]
            boxed = chance(count, 0.4 if interactive else 0.1, rng)
        else:
            recent = matching_maps(
                keys[self.first + frame],
                keys[self.first + previous],
                cell_coverage(prior, (grid[0], grid[1])),
            )
            dropped = chance(count, 0.15, rng)[:, None, None, None]
            maps = torch.cat([maps, recent.masked_fill(dropped, 0.0)], dim=1)
            sharp = torch.rand(count, generator=rng)[:, None, None, None]
            mask = torch.where(sharp < 0.5, mask_prompt(prior), mask_prompt((prior > 0.5).float()))
            has_mask = chance(count, 0.75, rng)
            box_source = prior
            boxed = chance(count, 0.5, rng)
        boxes, exists = boxes_of(box_source > 0.5)
        boxes = jitter_boxes(boxes * self.scale, 0.05 if interactive else 0.1, rng)
        boxed &= exists

        target = target_embedding(
            self.features.embedding[self.first + reference], self.coverage[:, reference]
        )
        confidence = location_confidence(embedding.float(), target.float()).detach()
        if prior is not None:
            confidence = 0.5 * confidence + 0.5 * cell_coverage(prior, (grid[0], grid[1]))
        unprompted = ~(boxed | has_mask | has_matching)
        points, labels = self._points(frame, confidence, unprompted, interactive=interactive)
        attention = None
        if rng_float(rng) < 0.15:
            spread = confidence.flatten(1)
            spread = (spread - spread.mean(1, keepdim=True)) / (spread.std(1, keepdim=True) + 1e-6)
            attention = spread.sigmoid()[:, None, None]
        guided = chance(count, 0.5, rng)[:, None, None]
        prompts = PromptSet(
            *with_boxes(points, labels, boxes, boxed),
            mask=mask,
            has_mask=has_mask,
            matching=maps,
            has_matching=has_matching,
            target=torch.where(guided, target[:, None], 0.0),
            attention=attention,
        )
        return self._decode(frame, prompts)

    def _points(
        self, frame: int, confidence: Tensor, unprompted: Tensor, *, interactive: bool
    ) -> tuple[Tensor, Tensor]:
        """Draw two positive points and a negative one, (N, 3, 2), and labels, -1 for none.

        Some come from the truth, as a person would give them, the others from the confidence.
        """
        rng, count = self.rng, len(self.first)
        truth = self.truth[:, frame] > 0.5
        middle = self.scale / 2
        inside = random_points(truth, 2, rng) * self.scale + middle
        outside = random_points(~truth, 1, rng) * self.scale + middle
        likely, unlikely = extreme_points(confidence)
        given = chance(count, 0.9 if interactive else 0.25, rng)
        by_hand = given[:, None, None]
        points = torch.cat(
            [
                torch.where(by_hand, inside[:, :1], likely),
                inside[:, 1:],
                torch.where(by_hand, outside, unlikely),
            ],
            dim=1,
        )
        first = chance(count, 0.6, rng) | unprompted
        second = given & chance(count, 0.3, rng)
        kept = torch.stack([first, second, chance(count, 0.4, rng)], dim=1)
        if interactive:
            kept[:, :2] &= truth.flatten(1).any(1)[:, None]  # nobody clicks on what is not there
        return points, torch.tensor([1.0, 1.0, 0.0]).repeat(count, 1).masked_fill(~kept, -1)

    def refine(self, frame: int, masks: Tensor) -> tuple[_Round, Tensor]:
        """Segment again with the model's own mask as the mask prompt, as the cascade does."""
        rng, count = self.rng, len(self.first)
        boxes, exists = boxes_of(masks > 0.5)
        boxed = exists & chance(count, 0.6, rng)
        points = random_points(masks > 0.5, 1, rng) * self.scale + self.scale / 2
        labels = torch.ones(count, 1).masked_fill(~(exists & chance(count, 0.5, rng))[:, None], -1)
        logits = torch.logit(masks.clamp(1e-5, 1 - 1e-5))[:, None]
        reference = REFERENCE if frame != REFERENCE else CURRENT
        keys = self.features.keys
        maps = matching_maps(
            keys[self.first + frame], keys[self.first + reference], self.coverage[:, reference]
        )
        prompts = PromptSet(
            *with_boxes(points, labels, jitter_boxes(boxes * self.scale, 0.02, rng), boxed),
            mask=logits,
            has_mask=torch.ones(count, dtype=torch.bool),
            matching=torch.cat([maps, torch.zeros_like(maps)], dim=1),
            has_matching=chance(count, 0.5, rng),
            target=torch.zeros(count, 1, self.model.embed_dim),
            attention=None,
        )
        return self._decode(frame, prompts)

    def _decode(self, frame: int, prompts: PromptSet) -> tuple[_Round, Tensor]:
        index = self.first + frame
        model = self.model
        sparse = embed_points(model, prompts.points, prompts.point_labels)
        dense = torch.where(
            prompts.has_mask[:, None, None, None],
            model.prompt_encoder._embed_masks(prompts.mask),
            model.prompt_encoder.no_mask_embed.weight[:, :, None, None],
        )
        dense = dense + prompts.has_matching[:, None, None, None] * (
            model.prompt_encoder.embed_matching(prompts.matching)
        )
        height, width = self.features.embedding.shape[-2:]
        place = model.prompt_encoder.get_dense_pe()[:, :, :height, :width]
        logits, iou = model.mask_decoder.predict_masks(
            self.features.embedding[index],
            place,
            sparse,
            dense,
            attention_bias=prompts.attention,
            target_embedding=prompts.target,
            skips=(self.features.skips[0][index], self.features.skips[1][index]),
        )
        logits, iou = logits.float(), iou.float()
        loss, score = decoder_loss(logits, iou, self.truth[:, frame], self.known[:, frame])
        return _Round(loss, score.item()), logits[:, 0].detach().sigmoid()

    def similarity(
        self, offset_confidence: Tensor, offset_matching: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of the location confidence and of the matching in the last frame."""
        keys, embedding = self.features.keys, self.features.embedding
        target = target_embedding(embedding[self.first + REFERENCE], self.coverage[:, REFERENCE])
        confidence = location_confidence(embedding[self.first + CURRENT].float(), target.float())
        maps = matching_maps(
            keys[self.first + CURRENT], keys[self.first + REFERENCE], self.coverage[:, REFERENCE]
        ).float()
        truth = self.coverage[:, CURRENT]
        return (
            similarity_loss(confidence, truth, 10.0, offset_confidence),
            similarity_loss(maps[:, 0] - maps[:, 1], truth, 10.0, offset_matching),
        )


def rng_float(rng: torch.Generator) -> float:
    """Return one uniform number from the generator."""
    return torch.rand(1, generator=rng).item()


def set_canvas(model: LiteSam, side: int) -> None:
    """Make prompt coordinates relative to a square of ``side`` input pixels."""
    cells = side // CELL
    model.image_size = side
    model.prompt_encoder.input_image_size = (side, side)
    model.prompt_encoder.image_embedding_size = (cells, cells)


def with_boxes(
    points: Tensor, labels: Tensor, boxes: Tensor, boxed: Tensor
) -> tuple[Tensor, Tensor]:
    """Append box corners to points, as labels 2 and 3, or as padding where there is no box."""
    corners = boxes.view(-1, 2, 2)
    corner_labels = torch.tensor([2.0, 3.0]).repeat(len(boxes), 1).masked_fill(~boxed[:, None], -1)
    return torch.cat([points, corners], dim=1), torch.cat([labels, corner_labels], dim=1)


def embed_points(model: LiteSam, points: Tensor, labels: Tensor) -> Tensor:
    """Embed points and box corners (N, P, 2) with labels (N, P) to (N, P, C)."""
    encoder = model.prompt_encoder
    place = encoder.pe_layer.forward_with_coords(points + 0.5, encoder.input_image_size)
    kinds = torch.cat(
        [encoder.not_a_point_embed.weight] + [point.weight for point in encoder.point_embeddings]
    )
    place = place.masked_fill(labels[..., None] < 0, 0.0)
    embedded: Tensor = place + kinds[labels.long() + 1]
    return embedded
