"""Train the embedded model.

The run keeps a checkpoint outside the repository and resumes from it when it is started again with
the same ``--work`` folder. The learning rate is constant after the warm-up; ``--cooldown`` steps at
the end bring it down to zero, so that a finished run can be extended by a larger ``--steps``.

    python tools/train_lite.py --data ../shared/data/train --backbone WEIGHTS.pt --work /somewhere
    python tools/train_lite.py ... --export persam_video/sam/weights/lite.safetensors
"""

import argparse
import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
import torch
from lite_training.clips import ClipBatch, ClipSettings, clip_batches
from lite_training.data import load_training_data
from lite_training.objective import Objective
from safetensors.torch import load_file, save_file
from torch import Tensor

from persam_video.sam.lite import LiteSam
from persam_video.util.atomic import atomic_path

LOG_EVERY = 20


@dataclass(frozen=True)
class Options:
    """Settings of a training run; they are written into the exported file."""

    data: Path
    work: Path
    backbone: Path | None
    weights: Path | None
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
    precision: str
    freeze: bool


def load_backbone(model: LiteSam, file: Path) -> None:
    """Fill the backbone from a MobileNetV2 state dict in torchvision's layout, norms folded."""
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)

    def folded(conv: str, norm: str) -> tuple[Tensor, Tensor]:
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-5).sqrt()
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
        return state[f"{conv}.weight"] * gain[:, None, None, None], bias

    def fill(layer: torch.nn.Module, conv: str, norm: str) -> None:
        weight, bias = folded(conv, norm)
        layer.load_state_dict({"weight": weight, "bias": bias})

    backbone = model.image_encoder.backbone
    fill(backbone.stem, "features.0.0", "features.0.1")
    for number, block in enumerate(backbone.blocks, start=1):
        # in the file, convolution, norm and activation are numbered through: 0 1 2, 3 4 5, 6 7
        for place, layer in enumerate(block.children()):
            prefix = f"features.{number}.conv"
            fill(layer, f"{prefix}.{3 * place}", f"{prefix}.{3 * place + 1}")


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the weights of an exported file in fp32."""
    return {name: value.float() for name, value in load_file(file).items()}


def load_weights(model: LiteSam, file: Path) -> None:
    """Load an exported file into a model; weights that the file lacks keep their initial values."""
    missing, unexpected = model.load_state_dict(read_weights(file), strict=False)
    if unexpected:
        raise ValueError(f"{file} has weights of another model: {unexpected[0]}")
    if missing:
        print(f"{len(missing)} tensors are new, from {missing[0]} on", flush=True)


class Average:
    """Exponential moving average of the weights."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in module.state_dict().items()}

    def update(self, module: torch.nn.Module, step: int) -> None:
        """Update the average after a step; the first steps have more weight."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            self.weights[name].lerp_(value.detach(), 1 - decay)


def prefetched(batches: Iterator[ClipBatch], ahead: int = 3) -> Iterator[ClipBatch]:
    """Make batches in a thread of their own; OpenCV releases the GIL while it works."""
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


@dataclass
class Run:
    """The state of a training run, all of which is in the checkpoint.

    Attributes:
        objective: the model inside its objective.
        optimizer: with two groups of parameters, new layers and pretrained ones.
        average: averaged weights of the model, which ship.
        autocast: whether it computes in bfloat16 where that is safe.
        step: steps done.
        seconds: seconds spent on them.
    """

    objective: Objective
    optimizer: torch.optim.Optimizer
    average: Average
    autocast: bool
    step: int = 0
    seconds: float = 0.0

    @staticmethod
    def begin(options: Options) -> "Run":
        """Start from scratch, or from the checkpoint in the work folder."""
        torch.manual_seed(options.seed)
        model = LiteSam(options.size)
        if options.backbone is not None:
            load_backbone(model, options.backbone)
        if options.weights is not None:
            load_weights(model, options.weights)
        backbone = model.image_encoder.backbone
        for layer in (backbone.stem, *backbone.blocks[:6]):
            layer.requires_grad_(False)
        if options.freeze:
            model.image_encoder.requires_grad_(False)
        objective = Objective(model)
        objective.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        slow = [p for p in backbone.parameters() if p.requires_grad]
        known = {id(p) for p in slow}
        fast = [p for p in objective.parameters() if p.requires_grad and id(p) not in known]
        groups = [
            {"params": parameters, "lr": rate, "peak": rate}
            for parameters, rate in (
                (fast, options.rate),
                (slow, options.rate * options.backbone_rate),
            )
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.02, betas=(0.9, 0.98))
        run = Run(objective, optimizer, Average(model, options.ema), options.precision == "bf16")
        if _checkpoint(options).exists():
            run._restore(torch.load(_checkpoint(options), weights_only=True))
            print(f"going on from step {run.step} ({run.seconds / 3600:.1f} h so far)", flush=True)
        return run

    def take_step(self, batch: ClipBatch, rng: torch.Generator) -> dict[str, float]:
        """Train on one batch and return the figures to log."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            loss, figures = self.objective(batch, rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        self.average.update(self.objective.model, self.step)
        return {**figures, "loss": loss.item()}

    def save(self, options: Options) -> None:
        """Write the checkpoint so that a kill leaves the old one or the new one whole."""
        state = {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights,
            "step": self.step,
            "seconds": self.seconds,
        }
        with atomic_path(_checkpoint(options)) as partial:
            torch.save(state, partial)

    def _restore(self, state: dict[str, Any]) -> None:
        peaks = [group["peak"] for group in self.optimizer.param_groups]
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["peak"] = peak  # the command line's rate, not the checkpoint's
        self.average.weights = state["average"]
        self.step, self.seconds = state["step"], state["seconds"]


def _checkpoint(options: Options) -> Path:
    return options.work / "checkpoint.pt"


def train(options: Options) -> LiteSam:
    """Run or resume the training and return the averaged model."""
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    run = Run.begin(options)
    if run.step < options.steps:
        data = load_training_data(options.data, options.limit)
        print(f"{len(data.stills)} stills, {len(data.videos)} videos", flush=True)
        side = options.size
        wide = (round(side * 0.75 / 32) * 32, round(side * 1.33 / 32) * 32)
        seed = np.random.default_rng([options.seed, run.step])
        batches = clip_batches(
            data, ClipSettings(), ((side, side), wide, wide), options.clips, seed
        )
        with (options.work / "log.jsonl").open("a") as log:
            _learn(run, options, prefetched(batches), log)
    run.objective.model.load_state_dict(run.average.weights)
    return run.objective.model


def _learn(run: Run, options: Options, batches: Iterator[ClipBatch], log: TextIO) -> None:
    rng = torch.Generator().manual_seed(options.seed * 1_000_003 + run.step)
    smooth: dict[str, float] = {}
    begun = time.monotonic() - run.seconds
    while run.step < options.steps:
        factor = learning_rate(run.step, options)
        for group in run.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        for name, value in run.take_step(next(batches), rng).items():
            if np.isfinite(value):
                smooth[name] = 0.95 * smooth.get(name, value) + 0.05 * value
        run.seconds = time.monotonic() - begun
        last = run.step == options.steps
        if run.step % LOG_EVERY == 0 or last:
            line = {"step": run.step, "seconds": run.seconds, **smooth}
            text = json.dumps({name: round(value, 4) for name, value in line.items()})
            print(text, flush=True)
            print(text, file=log, flush=True)
        if run.step % options.save_every == 0 or last:
            run.save(options)


def export(weights: dict[str, Tensor], file: Path, facts: dict[str, str]) -> None:
    """Write the weights as float16 safetensors, whole or not at all."""
    half = {k: v.to(torch.float16).contiguous() for k, v in weights.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as partial:
        save_file(half, partial, metadata=facts)


def parse() -> tuple[Options, Path | None]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of training data")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and log")
    parser.add_argument("--backbone", type=Path, help="MobileNetV2 weights (ImageNet)")
    parser.add_argument("--weights", type=Path, help="exported weights to start from")
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument(
        "--cooldown", type=int, default=400, help="final steps, in which the rate falls to 0"
    )
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--clips", type=int, default=4, help="clips of six frames per batch")
    parser.add_argument("--size", type=int, default=448, help="side of the training window")
    parser.add_argument("--rate", type=float, default=4e-4)
    parser.add_argument(
        "--backbone-rate", type=float, default=0.15, help="factor of its learning rate"
    )
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="number of stills to use")
    parser.add_argument("--save-every", type=int, default=50)
    parser.add_argument("--freeze", action="store_true", help="keep the image encoder as it is")
    parser.add_argument(
        "--precision",
        choices=("bf16", "fp32"),
        default="bf16",
        help="fp32 is faster on processors that compute bfloat16 slowly",
    )
    parser.add_argument("--export", type=Path, help="write the averaged weights here at the end")
    parser.add_argument(
        "--smoke", action="store_true", help="take a few small steps, to try the tool"
    )
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
