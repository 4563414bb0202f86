"""Prompts for training: those of a tracker, with the errors of a tracker."""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from persam_video.sam.network import CELL


@dataclass(frozen=True)
class PromptSet:
    """Prompts of a batch, padded to one shape.

    Attributes:
        points: (N, P, 2) in input pixels, (x, y).
        point_labels: (N, P): 1 object, 0 background, 2 and 3 box corners, -1 padding.
        mask: (N, 1, 4h, 4w) mask prompt as logits.
        has_mask: (N,) bool.
        matching: (N, 4, h, w) similarity maps, or ``None`` for all.
        has_matching: (N,) bool, with ``matching``.
        readout: (N, C, h, w) what was read from memory, embedded, or ``None`` for all.
        has_readout: (N,) bool, with ``readout``.
        target: (N, 1, C) target embedding, zero where not used.
    """

    points: Tensor
    point_labels: Tensor
    mask: Tensor
    has_mask: Tensor
    matching: Tensor | None
    has_matching: Tensor | None
    readout: Tensor | None
    has_readout: Tensor | None
    target: Tensor

    def with_boxes(self, boxes: Tensor, boxed: Tensor) -> "PromptSet":
        """Append the corners of boxes (N, 4) to the points, as padding where not ``boxed``."""
        kinds = torch.tensor([2.0, 3.0]).repeat(len(boxes), 1).masked_fill(~boxed[:, None], -1)
        return replace(
            self,
            points=torch.cat([self.points, boxes.view(-1, 2, 2)], dim=1),
            point_labels=torch.cat([self.point_labels, kinds], dim=1),
        )


def chance(count: int, share: float, rng: Generator) -> Tensor:
    """Return (count,) bool, each true with the given probability."""
    return torch.rand(count, generator=rng) < share


def boxes_of(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Return (N, 4) boxes (x0, y0, x1, y1) of (N, H, W) masks and (N,) whether each has one."""
    rows, columns = masks.any(dim=2), masks.any(dim=1)
    height, width = masks.shape[1:]
    y0 = rows.float().argmax(dim=1)
    x0 = columns.float().argmax(dim=1)
    y1 = height - rows.flip(1).float().argmax(dim=1)
    x1 = width - columns.flip(1).float().argmax(dim=1)
    return torch.stack([x0, y0, x1, y1], dim=1).float(), rows.any(dim=1)


def jitter_boxes(boxes: Tensor, strength: float | Tensor, rng: Generator) -> Tensor:
    """Move each side of (N, 4) boxes by a share (or N x 1) of the box's size, mostly outwards."""
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    outwards = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    noise = torch.randn(boxes.shape, generator=rng) * strength + 0.5 * strength
    return boxes + outwards * noise * size


def random_points(masks: Tensor, count: int, rng: Generator) -> Tensor:
    """Return (N, count, 2) points (x, y) of (N, H, W) masks; anywhere if a mask is empty."""
    flat = masks.flatten(1).float() + 1e-9
    chosen = torch.multinomial(flat, count, replacement=True, generator=rng)
    return torch.stack([chosen % masks.shape[2], chosen // masks.shape[2]], dim=2).float()


def damage_masks(masks: Tensor, rng: Generator) -> Tensor:
    """Damage soft masks (N, 1, H, W) as the masks of a tracker are.

    Grown, shrunken, cut off along a line, with blobs added or taken away, or left alone.
    """
    count, _, height, width = masks.shape
    out = masks
    radius = int(torch.randint(1, max(2, height // 28), (1,), generator=rng)) * 2 + 1
    grown = F.max_pool2d(out, radius, 1, radius // 2)
    shrunk = -F.max_pool2d(-out, radius, 1, radius // 2)
    kind = torch.rand(count, generator=rng)[:, None, None, None]
    out = torch.where(kind < 0.25, grown, torch.where(kind < 0.45, shrunk, out))

    # smooth noise, thresholded, is a set of blobs
    noise = F.interpolate(
        torch.randn(count, 1, 7, 7, generator=rng), (height, width), mode="bicubic"
    )
    near = F.max_pool2d(masks, 15, 1, 7)
    kind = torch.rand(count, generator=rng)[:, None, None, None]
    blobs = (noise > 0.9).float()
    out = torch.where(kind < 0.2, torch.maximum(out, blobs * near), out)
    out = torch.where((kind >= 0.2) & (kind < 0.4), out * (1 - blobs), out)
    out = torch.where((kind >= 0.4) & (kind < 0.46), torch.maximum(out, blobs), out)

    boxes, _ = boxes_of(masks[:, 0] > 0.5)
    cut = torch.rand(count, 2, generator=rng) * 0.7 + 0.15
    point = boxes[:, :2] + cut * (boxes[:, 2:] - boxes[:, :2])
    angle = torch.rand(count, generator=rng) * 2 * torch.pi
    ys = torch.arange(height)[None, :, None] - point[:, 1, None, None]
    xs = torch.arange(width)[None, None, :] - point[:, 0, None, None]
    side = (torch.cos(angle)[:, None, None] * xs + torch.sin(angle)[:, None, None] * ys) > 0
    kind = torch.rand(count, generator=rng)[:, None, None, None]
    return torch.where(kind < 0.12, out * side[:, None], out)


def extreme_points(confidence: Tensor) -> tuple[Tensor, Tensor]:
    """Return the most and the least similar cells of (N, h, w) maps, as pixels (N, 1, 2)."""
    width = confidence.shape[2]
    flat = confidence.flatten(1)
    found = []
    for index in (flat.argmax(1), flat.argmin(1)):
        cell = torch.stack([index % width, index // width], dim=1).float()
        found.append(((cell + 0.5) * CELL)[:, None])
    return found[0], found[1]
