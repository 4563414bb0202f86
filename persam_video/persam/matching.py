"""Matching: how alike each cell of an image is to an object and to its surroundings.

The nearest neighbour in a remembered frame's object, and the nearest neighbour in its background,
by cosine similarity. It is the part-wise and background counterpart of PerSAM's single target
embedding. Source: Voigtlaender et al., "FEELVOS: Fast End-to-End Embedding Learning for Video
Object Segmentation", CVPR 2019, section 3.2 (global matching).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_NOTHING = -1.0  # the lowest cosine similarity: there is no cell of that kind to match


def cell_coverage(masks: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return how much of each cell a mask covers.

    Args:
        masks: (N, H, W), 0 to 1, over the same extent as the cells.
        cells: (h, w) of the grid.

    Returns:
        (N, h, w) float32, 0 to 1.
    """
    return F.adaptive_avg_pool2d(masks.float().unsqueeze(1), cells).squeeze(1)


def object_cells(coverage: Tensor) -> Tensor:
    """Return which cells stand for the object.

    A cell counts when the object covers half of it, or half of what the best cell has, so that an
    object smaller than a cell still has one.

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
        memory_coverage: (N, g, v) how much of each remembered cell the object covers.

    Returns:
        (N, 2, h, w): cosine similarity to the nearest cell of the object and to the nearest cell of
        the background; -1 where there is none.
    """
    similarity = keys.flatten(2).transpose(1, 2) @ memory_keys.flatten(2)
    inside = object_cells(memory_coverage).flatten(1)[:, None, :]
    # a cell that the object covers in part belongs to neither side
    outside = (memory_coverage < 0.25).flatten(1)[:, None, :] & ~inside
    nearest = [similarity.masked_fill(~cells, _NOTHING).amax(dim=2) for cells in (inside, outside)]
    return torch.stack(nearest, dim=1).view(len(keys), 2, *keys.shape[-2:])
