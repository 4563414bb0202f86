"""Matching: the similarity of each cell of an image to an object and to its surroundings.

The nearest neighbour in a remembered frame's object, and the nearest neighbour in its background,
by cosine similarity. It is the part-wise and background counterpart of PerSAM's single target
embedding. Source: Voigtlaender et al., "FEELVOS: Fast End-to-End Embedding Learning for Video
Object Segmentation", CVPR 2019, section 3.2 (global matching).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

Extent: TypeAlias = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in frame pixels."""

_NOTHING = -1.0  # the lowest cosine similarity, used without any cell to match


@dataclass(frozen=True)
class Memory:
    """Memory of one object in an image.

    Attributes:
        keys: (1, D, h, w) matching keys of the image.
        coverage: (h, w) share of each cell that the object covers, 0 to 1.
        extent: area of the grid, (x0, y0, x1, y1) in frame pixels.
        values: what the model's readout keeps of the object: (V, h, w) values of the cells, or
            (T, D) tokens of SAM 2; ``None`` for a model without a readout.
        step: number of the image among those that the tracker took.
    """

    keys: Tensor
    coverage: Tensor
    extent: Extent
    values: Tensor | None = None
    step: int = 0


def cell_coverage(masks: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return the share of each cell that a mask over the model's input covers.

    For masks of the frame's size see ``persam_video.sam.transform.InputTransform.coverage``.

    Args:
        masks: (N, H, W), 0 to 1, over the same extent as the cells.
        cells: (h, w) of the grid.

    Returns:
        (N, h, w) float32, 0 to 1.
    """
    return F.adaptive_avg_pool2d(masks.float().unsqueeze(1), cells).squeeze(1)


def others(masks: Tensor) -> Tensor:
    """Return, for each of N soft masks (N, h, w), the union of the others."""
    if len(masks) == 1:
        return torch.zeros_like(masks)
    highest = masks.topk(2, dim=0).values
    return torch.where(masks == highest[:1], highest[1:], highest[:1])


def object_cells(coverage: Tensor) -> Tensor:
    """Select the cells that represent the object.

    A cell counts if the object covers half of it, or at least half as much as of the best cell, so
    that an object smaller than a cell still has one.

    Args:
        coverage: (N, h, w), 0 to 1.

    Returns:
        (N, h, w) bool; empty only where the coverage is zero everywhere.
    """
    best = coverage.flatten(1).amax(dim=1).clamp(max=1.0)[:, None, None]
    return (coverage >= 0.5 * best) & (coverage > 0)


def matching_maps(keys: Tensor, memory_keys: Tensor, memory_coverage: Tensor) -> Tensor:
    """Match the cells of images against remembered objects and their backgrounds.

    Args:
        keys: (N, D, h, w) L2-normalised keys of the images.
        memory_keys: (N, D, g, v) L2-normalised keys of the remembered frames.
        memory_coverage: (N, g, v) share of each remembered cell that the object covers.

    Returns:
        (N, 2, h, w): cosine similarity to the nearest cell of the object and to the nearest cell of
        the background; -1 if it has no cells.
    """
    similarity = keys.flatten(2).transpose(1, 2) @ memory_keys.flatten(2)
    sides = [side.flatten(1)[:, None, :] for side in _sides(memory_coverage)]
    # unlike amax, max propagates the gradient to one place, which is much faster
    nearest = [similarity.masked_fill(~cells, _NOTHING).max(dim=2).values for cells in sides]
    return torch.stack(nearest, dim=1).view(len(keys), 2, *keys.shape[-2:])


def match_memories(keys: Tensor, memories: Sequence[Memory]) -> Tensor:
    """Match one image against several memories, as ``matching_maps`` does for one each.

    Objects that remember the same image share the products with its keys, and the search over the
    cells that are background to all of them.

    Args:
        keys: (1, D, h, w) L2-normalised keys of the image.
        memories: N memories; those of one image share one tensor of keys.

    Returns:
        (N, 2, h, w), see ``matching_maps``.
    """
    maps = keys.new_full((len(memories), 2, keys.shape[2] * keys.shape[3]), _NOTHING)
    shared: dict[int, list[int]] = {}
    for number, memory in enumerate(memories):
        shared.setdefault(id(memory.keys), []).append(number)
    for numbers in shared.values():
        remembered = memories[numbers[0]].keys[0].flatten(1)
        similarity = remembered.T @ keys[0].flatten(1)  # one row per remembered cell
        coverage = torch.stack([memories[number].coverage for number in numbers])
        inside, outside = (side.flatten(1) for side in _sides(coverage))
        common = outside.all(dim=0)
        background = _nearest(similarity, common)
        for place, number in enumerate(numbers):
            maps[number, 0] = _nearest(similarity, inside[place])
            maps[number, 1] = background.maximum(_nearest(similarity, outside[place] & ~common))
    return maps.view(len(memories), 2, *keys.shape[-2:])


def _sides(coverage: Tensor) -> tuple[Tensor, Tensor]:
    """Return which cells (N, h, w) are the object's, and which are background."""
    inside = object_cells(coverage)
    # a cell that the object covers in part belongs to neither side
    return inside, (coverage < 0.25) & ~inside


def _nearest(similarity: Tensor, rows: Tensor) -> Tensor:
    """Return the highest of the chosen rows (bool) in each column."""
    if not rows.any():
        return similarity.new_full(similarity.shape[1:], _NOTHING)
    return similarity[rows].amax(dim=0)
