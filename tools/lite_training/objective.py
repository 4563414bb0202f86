"""The training objective: clips in, a loss out.

The objects of a clip are tracked from its annotated frame through those that follow, with the
model's own masks as memory and as prior, and one answer is refined. Then one frame is segmented as
a person would: from a click or a box, and with more clicks where the mask is wrong.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lite_training.clicks import Clicks
from lite_training.clips import ClipBatch
from lite_training.losses import decoder_loss, mask_iou, mask_losses, similarity_loss
from lite_training.prompts import (
    PromptSet,
    boxes_of,
    chance,
    damage_masks,
    extreme_points,
    jitter_boxes,
    random_points,
)
from persam_video.masks.labels import VOID
from persam_video.persam.confidence import blend, standardise
from persam_video.persam.matching import cell_coverage, matching_maps
from persam_video.persam.target import location_confidence, target_embedding
from persam_video.sam.lite import LiteSam
from persam_video.sam.network import CELL, ImageFeatures
from persam_video.sam.readout import Distances, MemoryReadout
from persam_video.sam.transform import PIXEL_MEAN, PIXEL_STD
from persam_video.tracking.prior import grow_cells, mask_prompt, seen_from

ROUNDS = 3
"""Predictions from clicks or a box: the first one, and the corrected ones."""

_CLICKS_WEIGHT = 1.0

_FOLLOWED_WEIGHT = 3.0
"""Weight of all the frames of a clip through which its objects are followed."""

_EXCLUSIVE_WEIGHT = 0.5

_NOWHERE = -16.0
"""Logit of an object that is not there."""


class Objective(torch.nn.Module):
    """The model with its training objective; the offsets are for training only and do not ship."""

    def __init__(self, model: LiteSam) -> None:
        super().__init__()
        self.model = model
        self.offset_confidence = torch.nn.Parameter(torch.tensor(0.5))
        self.offset_matching = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, batch: ClipBatch, rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch of clips and the figures to log."""
        scene = self._scene(batch, rng)
        frames = batch.rgb.shape[1]
        rollout = Rollout(scene, rng)
        # as when the annotated frame was long ago, or just now
        begin = 1 if rng_float(rng) < 0.3 else 2
        if begin == 2:
            rollout.begin_with(1)
        followed = [rollout.step(frame) for frame in range(begin, frames)]
        chosen = int(torch.randint(begin, frames, (1,), generator=rng))
        refined = rollout.refine(chosen, followed[chosen - begin].masks)
        # in the annotated frame every object is seen; elsewhere it may have gone
        asked = 0 if rng_float(rng) < 0.7 else frames - 1
        clicked = click_rounds(scene, asked, rng)

        confidence = matching = torch.zeros(())
        if self._encoder_learns:
            confidence, matching = scene.similarity(
                frames - 1, self.offset_confidence, self.offset_matching
            )
        parts = [_FOLLOWED_WEIGHT / len(followed) * part.loss for part in followed]
        parts.append(refined.loss)
        parts += [_CLICKS_WEIGHT * part.loss for part in clicked]
        total = torch.stack(parts).sum() + confidence + matching
        figures = {f"frame{n}": part.iou for n, part in enumerate(followed, start=begin)}
        figures |= {f"clicks{n}": part.iou for n, part in enumerate(clicked, start=1)}
        figures |= {
            "refined": refined.iou,
            "confidence": confidence.item(),
            "matching": matching.item(),
        }
        return total, figures

    @property
    def _encoder_learns(self) -> bool:
        return any(weight.requires_grad for weight in self.model.image_encoder.parameters())

    def _scene(self, batch: ClipBatch, rng: torch.Generator) -> "Scene":
        model = self.model
        clips, frames, height, width, _ = batch.rgb.shape
        images = torch.from_numpy(batch.rgb).flatten(0, 1).float()
        images = ((images - torch.tensor(PIXEL_MEAN)) / torch.tensor(PIXEL_STD)).permute(0, 3, 1, 2)
        set_canvas(model, max(height, width))
        with torch.no_grad():
            quarter, eighth = model.image_encoder.backbone.fine(images)
        with torch.set_grad_enabled(self._encoder_learns):
            features = model.image_encoder.head(quarter, eighth)

        objects = torch.from_numpy(batch.targets)  # clips, objects, frames, H, W
        per_clip = objects.shape[1]
        distinct = (objects[:, 0] != objects[:, 1]).flatten(1).any(1).repeat_interleave(per_clip)
        truth = (objects == 1).flatten(0, 1).float()
        known = (objects != VOID).flatten(0, 1).float()
        grid = (height // CELL, width // CELL)
        fine = (4 * grid[0], 4 * grid[1])
        truth = F.adaptive_avg_pool2d(truth, fine)
        known = (F.adaptive_avg_pool2d(known, fine) > 0.99).float()
        first = torch.arange(clips).repeat_interleave(per_clip) * frames
        # some of the time, as when a person has annotated no more than these
        rest = torch.from_numpy(batch.rest).float() * chance(clips, 0.6, rng)[:, None, None, None]
        rest = F.adaptive_avg_pool2d(rest, fine).flatten(0, 1)
        rest = damage_masks(rest[:, None], rng).view(clips, frames, *fine)
        rest = rest.repeat_interleave(per_clip, dim=0)
        return Scene(model, features, first, truth, known, distinct, rest)


@dataclass(frozen=True)
class Answer:
    """The model's prediction.

    Attributes:
        loss: of all objects.
        iou: mean IoU of those that are there.
        masks: (N, 4h, 4w) soft masks, detached.
        logits: (N, 4h, 4w) their logits, detached.
    """

    loss: Tensor
    iou: float
    masks: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Scene:
    """The encoded frames of a batch, and the truth.

    Attributes:
        model: the model.
        features: of all frames of all clips.
        first: (N,) where the frames of each object's clip begin.
        truth: (N, frames, 4h, 4w) share of the object, 0 to 1.
        known: (N, frames, 4h, 4w) 1 where the truth is known.
        distinct: (N,) bool, whether an object's neighbour in the batch is another one.
        rest: (N, frames, 4h, 4w) 0 to 1, objects besides the two of the clip, as a tracker that
            follows them all would see them.
    """

    model: LiteSam
    features: ImageFeatures
    first: Tensor
    truth: Tensor
    known: Tensor
    distinct: Tensor
    rest: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.features.keys.shape[2], self.features.keys.shape[3]

    @property
    def scale(self) -> float:
        """Input pixels for one pixel of a low-resolution mask."""
        return CELL / 4

    @property
    def memory(self) -> MemoryReadout:
        """The model's memory readout."""
        memory = self.model.prompt_encoder.memory
        assert memory is not None, "it is trained with a readout"
        return memory

    def embedding(self, frame: int) -> Tensor:
        """Return each object's image embedding (N, C, h, w) of a frame."""
        return self.features.embedding[self.first + frame]

    def keys(self, frame: int) -> Tensor:
        """Return each object's matching keys (N, D, h, w) of a frame."""
        return self.features.keys[self.first + frame]

    def others(self, masks: Tensor, frame: int) -> Tensor:
        """Return where other objects (N, 4h, 4w) are than those of the masks (N, 4h, 4w)."""
        return torch.maximum(_swapped(masks) * self.distinct[:, None, None], self.rest[:, frame])

    def target(self, frame: int) -> Tensor:
        """Return target embeddings (N, C) by the truth of a frame."""
        coverage = cell_coverage(self.truth[:, frame], self.grid)
        return target_embedding(self.embedding(frame), coverage)

    def decode(self, frame: int, prompts: PromptSet) -> Answer:
        """Segment a frame."""
        model, index = self.model, self.first + frame
        encoder = model.prompt_encoder
        sparse = embed_points(model, prompts.points, prompts.point_labels)
        dense = torch.where(
            prompts.has_mask[:, None, None, None],
            encoder._embed_masks(prompts.mask),
            encoder.no_mask_embed.weight[:, :, None, None],
        )
        if prompts.matching is not None and prompts.has_matching is not None:
            embedded = encoder.embed_matching(prompts.matching)
            dense = dense + prompts.has_matching[:, None, None, None] * embedded
        if prompts.readout is not None and prompts.has_readout is not None:
            dense = dense + prompts.has_readout[:, None, None, None] * prompts.readout
        height, width = self.grid
        skips = self.features.skips
        logits, iou = model.mask_decoder.predict_masks(
            self.features.embedding[index],
            encoder.get_dense_pe()[:, :, :height, :width],
            sparse,
            dense,
            attention_bias=None,
            target_embedding=prompts.target,
            skips=None if skips is None else (skips[0][index], skips[1][index]),
        )
        logits, iou = logits.float(), iou.float()
        loss, score = decoder_loss(logits, iou, self.truth[:, frame], self.known[:, frame])
        if prompts.readout is not None:
            loss = loss + _EXCLUSIVE_WEIGHT * self._exclusive_loss(logits[:, 0], frame)
        own = logits[:, 0].detach()
        return Answer(loss, score.item(), own.sigmoid(), own)

    def _exclusive_loss(self, logits: Tensor, frame: int) -> Tensor:
        """Return the loss of masks, logits (N, 4h, 4w), where each pixel goes to one object."""
        rivals = _swapped(logits).masked_fill(~self.distinct[:, None, None], _NOWHERE)
        rest = torch.logit(self.rest[:, frame].clamp(1e-3, 1 - 1e-3))
        won = logits - F.softplus(torch.maximum(rivals, rest))
        return mask_losses(won[:, None], self.truth[:, frame], self.known[:, frame]).mean()

    def similarity(
        self, frame: int, offset_confidence: Tensor, offset_matching: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of location confidence and of the matching with the annotated frame."""
        confidence = location_confidence(self.embedding(frame).float(), self.target(0).float())
        annotated = cell_coverage(self.truth[:, 0], self.grid)
        maps = matching_maps(self.keys(frame), self.keys(0), annotated).float()
        truth = cell_coverage(self.truth[:, frame], self.grid)
        return (
            similarity_loss(confidence, truth, 10.0, offset_confidence),
            similarity_loss(maps[:, 0] - maps[:, 1], truth, 10.0, offset_matching),
        )


@dataclass(frozen=True)
class _Remembered:
    """A frame in memory.

    Attributes:
        keys: (N, D, h, w).
        coverage: (N, h, w).
        values: (N, V, h, w).
    """

    keys: Tensor
    coverage: Tensor
    values: Tensor


class Rollout:
    """Tracks the objects of a scene from frame to frame.

    Args:
        scene: the frames; the first one is the annotated one.
        rng: draws the prompts.
    """

    def __init__(self, scene: Scene, rng: torch.Generator) -> None:
        self._scene = scene
        self._rng = rng
        self._target = scene.target(0)
        self._annotated = self._remember(0, scene.truth[:, 0])
        self._recent = self._annotated
        self._past: _Remembered | None = None
        self._masks: Tensor | None = None
        self._prompts: dict[int, PromptSet] = {}

    def begin_with(self, frame: int) -> None:
        """Begin after a frame whose masks are known, and which often is the annotated one."""
        scene = self._scene
        truth = scene.truth[:, frame]
        masks = self._some_damaged(truth, 0.6, truth)
        self._recent, self._masks = self._remember(frame, masks), masks
        if rng_float(self._rng) < 0.4:
            self._target = scene.target(frame)
            self._annotated = self._remember(frame, truth)

    def step(self, frame: int) -> Answer:
        """Track the objects into the next frame."""
        prompts = self._prompted(frame)
        answer = self._scene.decode(frame, prompts)
        self._prompts[frame] = prompts
        self._see(frame, answer.masks)
        return answer

    def refine(self, frame: int, masks: Tensor) -> Answer:
        """Segment again with the model's own mask as the mask prompt, as the cascade does."""
        rng, scene = self._rng, self._scene
        count = len(masks)
        boxes, exists = boxes_of(masks > 0.5)
        boxed = exists & chance(count, 0.4, rng)
        points = random_points(masks > 0.5, 1, rng) * scene.scale + scene.scale / 2
        labels = torch.ones(count, 1).masked_fill(~(exists & chance(count, 0.6, rng))[:, None], -1)
        guided = chance(count, 0.3, rng)[:, None, None]
        before = self._prompts[frame]
        prompts = replace(
            before,
            points=points,
            point_labels=labels,
            mask=torch.logit(masks.clamp(1e-5, 1 - 1e-5))[:, None],
            has_mask=torch.ones(count, dtype=torch.bool),
            has_matching=chance(count, 0.4, rng),
            has_readout=chance(count, 0.6, rng),
            target=torch.where(guided, self._target[:, None], 0.0),
        ).with_boxes(jitter_boxes(boxes * scene.scale, 0.02, rng), boxed)
        return scene.decode(frame, prompts)

    def _remember(self, frame: int, masks: Tensor) -> _Remembered:
        scene = self._scene
        values = scene.memory.values(scene.embedding(frame), masks, scene.others(masks, frame))
        return _Remembered(scene.keys(frame), cell_coverage(masks, scene.grid), values)

    def _see(self, frame: int, masks: Tensor) -> None:
        """Keep the masks of a frame for the next one."""
        rng, scene = self._rng, self._scene
        masks = masks * (masks >= scene.others(masks, frame))
        masks = self._some_damaged(masks, 0.75, scene.truth[:, frame])
        seen = self._remember(frame, masks)
        # now and then the frame before this one is kept as a past one
        if frame > 2 and rng_float(rng) < 0.5:
            self._past = self._recent
        self._recent, self._masks = seen, masks

    def _some_damaged(self, masks: Tensor, share: float, truth: Tensor) -> Tensor:
        """Keep a share of masks (N, 4h, 4w), and let the others be the truth, damaged."""
        kept = chance(len(masks), share, self._rng)[:, None, None]
        return torch.where(kept, masks, damage_masks(truth[:, None], self._rng)[:, 0])

    def _prior(self, frame: int) -> tuple[Tensor, Tensor]:
        """Return the last masks (N, 4h, 4w), and (N,) which objects are tracked, not lost."""
        rng, scene = self._rng, self._scene
        truth = scene.truth[:, frame]
        if self._masks is not None:
            return self._masks, chance(len(truth), 0.85, rng)
        # the frame before the first is not there; its mask would be near the truth
        shift = torch.randn(len(truth), 2, generator=rng) * 3
        whole = torch.tensor([0.0, 0.0, truth.shape[2], truth.shape[1]])
        damaged = damage_masks(truth[:, None], rng)[:, 0]
        near = seen_from(damaged, whole.expand(len(truth), 4), whole, shift)
        return near, chance(len(truth), 0.35, rng)

    def _prompted(self, frame: int) -> PromptSet:
        rng, scene = self._rng, self._scene
        count = len(scene.first)
        masks, tracked = self._prior(frame)
        alpha = torch.where(
            chance(count, 0.6, rng), 0.5, torch.rand(count, generator=rng)
        ) * chance(count, 0.85, rng)
        alpha = alpha * tracked
        share = alpha[:, None, None]
        # a prior for the first frame is made of that frame
        seen = max(frame - 1, 1)
        own, others = (
            grow_cells(cell_coverage(m, scene.grid), 1) for m in (masks, scene.others(masks, seen))
        )
        similarity = location_confidence(scene.embedding(frame).float(), self._target.float())
        confidence = blend(standardise(similarity.detach(), scene.grid), own, alpha)
        prior = torch.stack([confidence, share * own, share * others], dim=1)

        boxes, exists = boxes_of(masks > 0.5)
        boxed = chance(count, 0.7, rng) & exists & tracked
        sharp = torch.rand(count, generator=rng)[:, None, None, None]
        mask = torch.where(sharp < 0.5, mask_prompt(masks), mask_prompt((masks > 0.5).float()))
        points, labels = self._points(confidence)
        guided = chance(count, 0.7, rng)[:, None, None]
        return PromptSet(
            points=points,
            point_labels=labels,
            mask=mask,
            has_mask=chance(count, 0.25, rng) & tracked,
            matching=self._matched(frame),
            has_matching=chance(count, 0.7, rng),
            readout=self._read(frame, prior, share),
            has_readout=chance(count, 0.9, rng),
            target=torch.where(guided, self._target[:, None], 0.0),
        ).with_boxes(jitter_boxes(boxes * scene.scale, 0.1, rng), boxed)

    def _matched(self, frame: int) -> Tensor:
        keys = self._scene.keys(frame)
        maps = [
            matching_maps(keys, memory.keys, memory.coverage)
            for memory in (self._annotated, self._recent)
        ]
        dropped = chance(len(keys), 0.1, self._rng)[:, None, None, None]
        return torch.cat([maps[0], maps[1].masked_fill(dropped, 0.0)], dim=1)

    def _read(self, frame: int, prior: Tensor, share: Tensor) -> Tensor:
        memory = self._scene.memory
        keys = self._scene.keys(frame)
        kept = [self._annotated] if self._past is None else [self._annotated, self._past]
        grid = self._scene.grid
        remembered = torch.cat([one.keys.flatten(2) for one in kept], dim=2)
        values = torch.cat([one.values.flatten(2) for one in kept], dim=2)
        long_term = memory.read(memory.affinities(keys, remembered), values, grid)
        affinities = memory.affinities(keys, self._recent.keys.flatten(2), recent=True)
        far = memory.far(Distances.within(grid).shared(share))
        recent = memory.read(affinities - far, self._recent.values.flatten(2), grid)
        return memory.embed(long_term, recent, prior)

    def _points(self, confidence: Tensor) -> tuple[Tensor, Tensor]:
        """Return the most and the least likely cell (N, 2, 2), and labels, -1 for none."""
        count = len(confidence)
        likely, unlikely = extreme_points(confidence)
        kept = torch.stack([chance(count, 0.8, self._rng), chance(count, 0.7, self._rng)], dim=1)
        labels = torch.tensor([1.0, 0.0]).repeat(count, 1).masked_fill(~kept, -1)
        return torch.cat([likely, unlikely], dim=1), labels


def _swapped(masks: Tensor) -> Tensor:
    """Give each of a clip's two objects the mask (N, H, W) of the other one."""
    return masks.view(-1, 2, *masks.shape[1:]).flip(1).flatten(0, 1)


def click_rounds(scene: Scene, frame: int, rng: torch.Generator) -> list[Answer]:
    """Segment a frame from a click or a box, then with more clicks where the mask was wrong."""
    truth, known = scene.truth[:, frame], scene.known[:, frame]
    count = len(truth)
    boxes, exists = boxes_of(truth > 0.5)
    boxed = exists & chance(count, 0.5, rng)
    boxes = jitter_boxes(boxes * scene.scale, 0.06 * torch.rand(count, 1, generator=rng), rng)
    clicks = Clicks(count, scene.scale)
    shown = torch.zeros_like(truth)
    clicks.add(shown, truth, known, ~boxed, rng)
    logits = torch.zeros_like(truth)[:, None]
    answers: list[Answer] = []
    for number in range(ROUNDS):
        prompts = PromptSet(
            points=clicks.points,
            point_labels=clicks.labels,
            mask=logits,
            has_mask=torch.full((count,), number > 0),
            matching=None,
            has_matching=None,
            readout=None,
            has_readout=None,
            target=torch.zeros(count, 1, scene.model.embed_dim),
        ).with_boxes(boxes, boxed)
        answer = scene.decode(frame, prompts)
        answers.append(answer)
        logits = answer.logits[:, None]
        if number + 1 < ROUNDS:
            wrong = mask_iou(logits, truth, known)[:, 0] < 0.98
            clicks.add(answer.masks, truth, known, wrong, rng)
    return answers


def rng_float(rng: torch.Generator) -> float:
    """Return one uniform number from the generator."""
    return torch.rand(1, generator=rng).item()


def set_canvas(model: LiteSam, side: int) -> None:
    """Make prompt coordinates relative to a square of ``side`` input pixels."""
    cells = side // CELL
    model.image_size = side
    model.prompt_encoder.input_image_size = (side, side)
    model.prompt_encoder.image_embedding_size = (cells, cells)


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
