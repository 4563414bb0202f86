"""The temporal prior: the object's expected position, from its last mask."""

from torch import Tensor
from torch.nn import functional as F

MASK_LOGIT = 6.0
"""Logit of a mask prompt where the last mask is certain."""


def seen_from(
    masks: Tensor,
    extents: Tensor,
    extent: Tensor,
    shift: Tensor,
    grid: tuple[int, int] | None = None,
) -> Tensor:
    """Resample masks from one view of a frame to another, shifted; unseen areas are empty.

    Args:
        masks: (N, h, w), 0 to 1.
        extents: (N, 4) area of each mask, (x0, y0, x1, y1) in frame pixels.
        extent: (4,) area of the results.
        shift: (N, 2) displacements (x, y) in frame pixels.
        grid: rows and columns of the results; those of the masks if not given.

    Returns:
        (N, *grid).
    """
    count, height, width = masks.shape
    sizes, size = extents[:, 2:] - extents[:, :2], extent[2:] - extent[:2]
    middles = (extents[:, 2:] + extents[:, :2]) / 2
    theta = masks.new_zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = (size / sizes).T
    # grid_sample takes the source position of each output pixel
    theta[:, :, 2] = 2 * ((extent[2:] + extent[:2]) / 2 - shift - middles) / sizes
    places = F.affine_grid(theta, [count, 1, *(grid or (height, width))], align_corners=False)
    return F.grid_sample(masks[:, None], places, align_corners=False)[:, 0]


def grow_cells(coverage: Tensor, by: int) -> Tensor:
    """Dilate the coverage (N, h, w) of cells by a number of cells on each side."""
    return F.max_pool2d(coverage, 2 * by + 1, stride=1, padding=by)


def mask_prompt(masks: Tensor) -> Tensor:
    """Turn soft masks (N, h, w), 0 to 1, into mask prompts: logits (N, 1, h, w)."""
    return ((masks - 0.5) * 2 * MASK_LOGIT)[:, None]
