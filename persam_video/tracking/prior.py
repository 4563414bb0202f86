"""The temporal prior: where the last mask says that the object is now."""

import torch
from torch import Tensor
from torch.nn import functional as F

MASK_LOGIT = 6.0
"""Logit of a mask prompt where the last mask is certain."""


def move_masks(masks: Tensor, shift: Tensor) -> Tensor:
    """Translate masks; what comes in from outside is empty.

    Args:
        masks: (N, h, w), 0 to 1.
        shift: (N, 2) as (x, y), in pixels of the masks.
    """
    count, height, width = masks.shape
    scale = shift.new_tensor([2 / width, 2 / height])
    theta = torch.zeros(count, 2, 3, dtype=masks.dtype, device=masks.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    theta[:, :, 2] = -shift * scale  # grid_sample asks where each output pixel comes from
    grid = F.affine_grid(theta, [count, 1, height, width], align_corners=False)
    return F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]


def prior_on_grid(masks: Tensor, grid: tuple[int, int], grow: int) -> Tensor:
    """Bring masks (N, H, W) to the embedding's grid, grown by ``grow`` cells: (N, h, w)."""
    cells = F.adaptive_avg_pool2d(masks[:, None], grid)
    if grow:
        cells = F.max_pool2d(cells, 2 * grow + 1, stride=1, padding=grow)
    return cells[:, 0]


def mask_prompt(masks: Tensor) -> Tensor:
    """Turn soft masks (N, h, w), 0 to 1, into mask prompts: logits (N, 1, h, w)."""
    return ((masks - 0.5) * 2 * MASK_LOGIT)[:, None]
