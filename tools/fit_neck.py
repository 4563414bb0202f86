"""Fit the neck of the embedded model's image encoder to an older, four times larger one.

The older encoder differs only in its neck, of two residual blocks with full 3x3 convolutions
(He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016). The new neck, with the
convolutions on both sides of it, learns to give the same embedding and the same matching keys for
crops of the training pictures; nothing else changes.

    git show COMMIT:persam_video/sam/weights/lite.safetensors > OLD.safetensors
    python tools/fit_neck.py --data ../shared/data/train --weights OLD.safetensors --export NEW
"""

import argparse
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from lite_training.data import load_training_data
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from train_lite import export, read_weights

from persam_video.sam.decoder import FastLayerNorm2d
from persam_video.sam.lite import BottleneckBlock, LiteImageEncoder
from persam_video.sam.network import normalised
from persam_video.sam.transform import PIXEL_MEAN, PIXEL_STD

LOG_EVERY = 50

_ENCODER = "image_encoder."


class WideBlock(nn.Module):
    """A block of the older neck."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            FastLayerNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            FastLayerNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + cast(Tensor, self.body(x))


def encoder_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the image encoder, by their names in it."""
    return {
        name.removeprefix(_ENCODER): value
        for name, value in weights.items()
        if name.startswith(_ENCODER)
    }


def load_old(weights: dict[str, Tensor]) -> LiteImageEncoder:
    """Return the older encoder in bf16."""
    encoder = LiteImageEncoder()
    channels = encoder.merge.get_parameter("weight").shape[0]
    encoder.neck = nn.Sequential(
        WideBlock(channels), WideBlock(channels), FastLayerNorm2d(channels)
    )
    encoder.load_state_dict(weights)
    encoder.backbone.prepare_for_rounding()
    return encoder.bfloat16().requires_grad_(False)


def load_new(weights: dict[str, Tensor]) -> LiteImageEncoder:
    """Return the encoder to fit, whose blocks add nothing yet."""
    encoder = LiteImageEncoder()
    blocks = ("neck.0.", "neck.1.")
    kept = {name: value for name, value in weights.items() if not name.startswith(blocks)}
    encoder.load_state_dict(kept, strict=False)
    for block in list(encoder.neck)[:-1]:
        for weight in cast(BottleneckBlock, block).body[-1].parameters():
            nn.init.zeros_(weight)
    return encoder


def crops(pictures: list[NDArray[np.uint8]], count: int, side: int, rng: Generator) -> Tensor:
    """Cut square crops from random pictures: normalised (B, 3, side, side), in bf16."""
    found = []
    for _ in range(count):
        picture = pictures[rng.integers(len(pictures))]
        height, width = picture.shape[:2]
        cut = int(min(height, width) * rng.uniform(0.55, 1.0))
        top, left = rng.integers(height - cut + 1), rng.integers(width - cut + 1)
        kernel = cv2.INTER_AREA if cut > side else cv2.INTER_LINEAR
        crop = cv2.resize(
            picture[top : top + cut, left : left + cut], (side, side), interpolation=kernel
        )
        found.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    images = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float()
    mean, deviation = (torch.tensor(one).view(3, 1, 1) for one in (PIXEL_MEAN, PIXEL_STD))
    normal = ((images - mean) / deviation).bfloat16()
    return normal.contiguous(memory_format=torch.channels_last)


def fit(
    old: LiteImageEncoder,
    new: LiteImageEncoder,
    pictures: list[NDArray[np.uint8]],
    args: argparse.Namespace,
) -> None:
    """Fit the new neck, and the convolutions on both sides of it."""
    rng = np.random.default_rng(args.seed)
    weights = [
        weight for part in (new.merge, new.neck, new.key_head) for weight in part.parameters()
    ]
    optimizer = torch.optim.AdamW(weights, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.rate, total_steps=args.steps, pct_start=0.05
    )
    embedding_error = key_error = 0.0
    for step in range(1, args.steps + 1):
        with torch.no_grad():
            _, eighth = old.backbone.fine(crops(pictures, args.crops, args.size, rng))
            merged = old.stacked(eighth)
            wanted = old.neck(old.merge(merged))
            wanted_keys = normalised(old.key_head(wanted)).float()
        with torch.autocast("cpu", torch.bfloat16):
            embedding = new.neck(new.merge(merged))
            keys = new.key_head(embedding)
        difference = F.mse_loss(embedding.float(), wanted.float()) / wanted.float().var()
        distance = (1 - (normalised(keys.float()) * wanted_keys).sum(dim=1)).mean()
        optimizer.zero_grad(set_to_none=True)
        (difference + 2 * distance).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        embedding_error += difference.item() / LOG_EVERY
        key_error += distance.item() / LOG_EVERY
        if step % LOG_EVERY == 0:
            print(f"{step}: embedding {embedding_error:.4f}, keys {key_error:.4f}", flush=True)
            embedding_error = key_error = 0.0


def main() -> None:
    """Fit the neck, and write the model with it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of training data")
    parser.add_argument("--weights", type=Path, required=True, help="of the older model")
    parser.add_argument("--start", type=Path, help="weights of an earlier fit to begin with")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--crops", type=int, default=6, help="in a batch")
    parser.add_argument("--size", type=int, default=384, help="side of the crops")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--limit", type=int, help="number of stills to use")
    parser.add_argument("--export", type=Path, required=True, help="write the weights here")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    weights = read_weights(args.weights)
    encoder = encoder_of(weights)
    data = load_training_data(args.data, args.limit)
    pictures = [still.rgb for still in data.stills]
    pictures += [frame.rgb for video in data.videos for frame in video]
    new = load_new(encoder)
    if args.start is not None:
        new.load_state_dict(encoder_of(read_weights(args.start)))
    fit(load_old(encoder), new, pictures, args)
    rest = {name: value for name, value in weights.items() if not name.startswith(_ENCODER)}
    fitted = {f"{_ENCODER}{name}": value for name, value in new.state_dict().items()}
    export(rest | fitted, args.export, {"neck": str(args.steps)})


if __name__ == "__main__":
    main()
