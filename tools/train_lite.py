"""Train the embedded model.

The run keeps a checkpoint outside the repository and goes on from it when it is started again with
the same ``--work`` folder. The learning rate is constant after the warm-up; ``--cooldown`` steps at
the end bring it down to zero, so that a stopped run can be prolonged by a larger ``--steps``.

    python tools/train_lite.py --data ../shared/data/train --backbone WEIGHTS.pt --work /somewhere
    python tools/train_lite.py ... --export persam_video/sam/weights/lite.safetensors
"""

import argparse
import json
import os
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lite_training.clips import ClipBatch, ClipSettings, clip_batches
from lite_training.data import VOID, load_training_data
from lite_training.losses import decoder_loss, similarity_loss
from lite_training.prompts import (
    MASK_LOGIT,
    PromptSet,
    boxes_of,
    chance,
    damage_masks,
    extreme_points,
    jitter_boxes,
    location_confidence,
    random_points,
    target_embeddings,
)
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from persam_video.persam.matching import cell_coverage, matching_maps
from persam_video.sam.lite import CELL, LiteFeatures, LiteSam

PIXEL_MEAN = torch.tensor([123.675, 116.28, 103.53])
PIXEL_STD = torch.tensor([58.395, 57.12, 57.375])
REFERENCE, PREVIOUS, CURRENT = range(3)


@dataclass(frozen=True)
class Options:
    """Settings of a training run; they are written into the exported file."""

    data: Path
    work: Path
    backbone: Path | None
    steps: int
    cooldown: int
    warmup: int
    clips: int
    size: int
    rate: float
    backbone_rate: float
    ema: float
    seed: int
    limit: int | None
    save_every: int


def load_backbone(model: LiteSam, file: Path) -> None:
    """Fill the backbone from a MobileNetV2 state dict in torchvision's layout, norms folded."""
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)

    def folded(conv: str, norm: str) -> tuple[Tensor, Tensor]:
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-5).sqrt()
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
        return state[f"{conv}.weight"] * gain[:, None, None, None], bias

    def fill(layer: torch.nn.Conv2d, conv: str, norm: str) -> None:
        weight, bias = folded(conv, norm)
        layer.weight.data.copy_(weight)
        assert layer.bias is not None
        layer.bias.data.copy_(bias)

    backbone = model.image_encoder.backbone
    fill(backbone.stem, "features.0.0", "features.0.1")
    for number, block in enumerate(backbone.blocks, start=1):
        prefix = f"features.{number}.conv"
        if block.expand is None:
            fill(block.depthwise, f"{prefix}.0", f"{prefix}.1")
            fill(block.project, f"{prefix}.3", f"{prefix}.4")
        else:
            fill(block.expand, f"{prefix}.0", f"{prefix}.1")
            fill(block.depthwise, f"{prefix}.3", f"{prefix}.4")
            fill(block.project, f"{prefix}.6", f"{prefix}.7")


class Losses(torch.nn.Module):
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
        images = ((images - PIXEL_MEAN) / PIXEL_STD).permute(0, 3, 1, 2)
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
            soft = (prior[:, None] - 0.5) * 2 * MASK_LOGIT
            mask = torch.where(sharp < 0.5, soft, (prior[:, None] > 0.5) * 2.0 * MASK_LOGIT - MASK_LOGIT)
            has_mask = chance(count, 0.75, rng)
            box_source = prior
            boxed = chance(count, 0.5, rng)
        boxes, exists = boxes_of(box_source > 0.5)
        boxes = jitter_boxes(boxes * self.scale, 0.05 if interactive else 0.1, rng)
        boxed &= exists

        target = target_embeddings(self.features.embedding[self.first + reference], self.coverage[:, reference])
        with torch.no_grad():
            confidence = location_confidence(embedding, target)
            if prior is not None:
                confidence = 0.5 * confidence + 0.5 * cell_coverage(prior, (grid[0], grid[1]))
            likely, unlikely = extreme_points(confidence)
            drawn = random_points(self.truth[:, frame] > 0.5, 2, rng) * self.scale + self.scale / 2
            outside = random_points(self.truth[:, frame] < 0.5, 1, rng) * self.scale + self.scale / 2
            given = chance(count, 0.9 if interactive else 0.25, rng)[:, None, None]
            points = torch.cat(
                [
                    torch.where(given, drawn[:, :1], likely),
                    drawn[:, 1:],
                    torch.where(given, outside, unlikely),
                ],
                dim=1,
            )
            labels = torch.tensor([1.0, 1.0, 0.0]).repeat(count, 1)
            kept = torch.stack(
                [
                    chance(count, 0.6, rng),
                    given[:, 0, 0] & chance(count, 0.3, rng),
                    chance(count, 0.4, rng),
                ],
                dim=1,
            )
            nothing = ~(kept[:, 0] | boxed | has_mask | has_matching)
            kept[:, 0] |= nothing
            present = self.truth[:, frame].flatten(1).amax(1) > 0.5
            if interactive:
                kept[:, :2] &= present[:, None]
            labels = labels.masked_fill(~kept, -1)
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
            target=torch.where(guided, target, 0.0),
            attention=attention,
        )
        return self._decode(frame, prompts)

    def refine(self, frame: int, masks: Tensor) -> tuple[_Round, Tensor]:
        """Segment again with the model's own mask as the mask prompt, as the cascade does."""
        rng, count = self.rng, len(self.first)
        grid = self.features.embedding.shape[-2:]
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
        del grid
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

    def similarity(self, offset_confidence: Tensor, offset_matching: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses of the location confidence and of the matching, reference to current."""
        keys, embedding = self.features.keys, self.features.embedding
        target = target_embeddings(embedding[self.first + REFERENCE], self.coverage[:, REFERENCE])
        confidence = location_confidence(embedding[self.first + CURRENT], target)
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
    return place + kinds[labels.long() + 1]


class Average:
    """Exponential moving average of the weights."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in module.state_dict().items()}

    def update(self, module: torch.nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            self.weights[name].lerp_(value.detach(), 1 - decay)


def prefetched(batches: Iterator[ClipBatch], ahead: int = 3) -> Iterator[ClipBatch]:
    """Make batches in a thread of their own; OpenCV lets go of the interpreter while it works."""
    ready: queue.Queue[ClipBatch] = queue.Queue(ahead)

    def work() -> None:
        for batch in batches:
            ready.put(batch)

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield ready.get()


def learning_rate(step: int, options: Options) -> float:
    """Return the factor of the learning rate: warm-up, constant, linear cooldown."""
    rising = min(1.0, (step + 1) / options.warmup)
    left = options.steps - step
    return rising * min(1.0, left / options.cooldown) if options.cooldown else rising


def save_atomically(value: object, file: Path) -> None:
    """Write a checkpoint so that a kill leaves the old one or the new one whole."""
    partial = file.with_suffix(".partial")
    torch.save(value, partial)
    os.replace(partial, file)


def train(options: Options) -> LiteSam:
    """Run or resume the training and return the averaged model."""
    torch.manual_seed(options.seed)
    cv2.setNumThreads(1)
    model = LiteSam(options.size)
    if options.backbone is not None:
        load_backbone(model, options.backbone)
    objective = Losses(model)
    frozen = [model.image_encoder.backbone.stem, *model.image_encoder.backbone.blocks[:6]]
    for layer in frozen:
        layer.requires_grad_(False)
    objective.to(memory_format=torch.channels_last)
    slow = [p for p in model.image_encoder.backbone.parameters() if p.requires_grad]
    known = {id(p) for p in slow}
    fast = [p for p in objective.parameters() if p.requires_grad and id(p) not in known]
    optimizer = torch.optim.AdamW(
        [
            {"params": fast, "lr": options.rate, "peak": options.rate},
            {
                "params": slow,
                "lr": options.rate * options.backbone_rate,
                "peak": options.rate * options.backbone_rate,
            },
        ],
        weight_decay=0.02,
        betas=(0.9, 0.98),
    )
    average = Average(model, options.ema)
    options.work.mkdir(parents=True, exist_ok=True)
    checkpoint = options.work / "checkpoint.pt"
    step, spent = 0, 0.0
    if checkpoint.exists():
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        objective.load_state_dict(state["objective"])
        optimizer.load_state_dict(state["optimizer"])
        average.weights = state["average"]
        step, spent = state["step"], state["seconds"]
        print(f"going on from step {step} ({spent / 3600:.1f} h so far)", flush=True)

    data = load_training_data(options.data, options.limit)
    print(f"{len(data.stills)} stills, {len(data.videos)} videos", flush=True)
    side = options.size
    wide = (round(side * 0.75 / 32) * 32, round(side * 1.33 / 32) * 32)
    numbers = np.random.default_rng([options.seed, step])
    batches = prefetched(
        clip_batches(data, ClipSettings(), ((side, side), wide, wide), options.clips, numbers)
    )
    rng = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
    smooth: dict[str, float] = {}
    begun = time.monotonic() - spent
    with (options.work / "log.jsonl").open("a") as log:
        while step < options.steps:
            factor = learning_rate(step, options)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            with torch.autocast("cpu", torch.bfloat16):
                loss, figures = objective(next(batches), rng)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(fast + slow, 1.0)
            if torch.isfinite(norm):
                optimizer.step()
            step += 1
            average.update(model, step)
            for name, value in {**figures, "loss": loss.item()}.items():
                if np.isfinite(value):
                    smooth[name] = 0.95 * smooth.get(name, value) + 0.05 * value
            if step % 20 == 0 or step == options.steps:
                line = {"step": step, "seconds": round(time.monotonic() - begun), **smooth}
                print(json.dumps({k: round(v, 4) for k, v in line.items()}), flush=True)
                log.write(json.dumps(line) + "\n")
                log.flush()
            if step % options.save_every == 0 or step == options.steps:
                save_atomically(
                    {
                        "objective": objective.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "average": average.weights,
                        "step": step,
                        "seconds": time.monotonic() - begun,
                    },
                    checkpoint,
                )
    model.load_state_dict(average.weights)
    return model


def export(weights: dict[str, Tensor], file: Path, facts: dict[str, str]) -> None:
    """Write the weights as float16 safetensors, whole or not at all."""
    half = {k: v.to(torch.float16).contiguous() for k, v in weights.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    save_file(half, partial, metadata=facts)
    os.replace(partial, file)


def parse() -> tuple[Options, Path | None]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="the training folder")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--backbone", type=Path, help="MobileNetV2 weights (ImageNet)")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--cooldown", type=int, default=400, help="last steps, rate falling to 0")
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--clips", type=int, default=4, help="clips of three frames in a batch")
    parser.add_argument("--size", type=int, default=448, help="side of the training window")
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument("--backbone-rate", type=float, default=0.15, help="factor on the rate")
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="use only that many stills")
    parser.add_argument("--save-every", type=int, default=50)
    parser.add_argument("--export", type=Path, help="write the averaged weights here at the end")
    parser.add_argument("--smoke", action="store_true", help="a few small steps, to try the tool")
    args = vars(parser.parse_args())
    target = args.pop("export")
    if args.pop("smoke"):
        args |= {"steps": 4, "cooldown": 2, "warmup": 2, "clips": 2, "size": 128, "limit": 10}
    return Options(**args), target


def main() -> None:
    """Train, then export when asked to."""
    options, target = parse()
    model = train(options)
    if target is not None:
        facts = {"steps": str(options.steps), "size": str(options.size), "seed": str(options.seed)}
        export(model.state_dict(), target, facts)
        print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
