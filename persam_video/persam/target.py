"""The target embedding: the appearance of an object as one vector.

Source: Zhang et al., "Personalize Segment Anything Model with One Shot", ICLR 2024, section 3.1.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from persam_video.persam.matching import object_cells

Pooling = Literal["mean", "mean_max"]


def target_embedding(features: Tensor, coverage: Tensor, pooling: Pooling = "mean_max") -> Tensor:
    """Pool an image embedding over the cells of objects.

    Args:
        features: (1 or N, C, h, w) image embedding of the annotated image.
        coverage: (N, h, w) share of each cell that each object covers, 0 to 1.
        pooling: ``mean`` (PerSAM on images), or half mean and half maximum (PerSAM-F, and PerSAM on
            videos).

    Returns:
        (N, C), not normalised; zero for an object without any cell.
    """
    cells = object_cells(coverage).flatten(1)[:, None]
    flat = features.flatten(2)
    count = cells.sum(dim=2).clamp(min=1)
    mean = (flat * cells).sum(dim=2) / count
    if pooling == "mean":
        return mean
    lowest = torch.finfo(flat.dtype).min
    highest = flat.masked_fill(~cells, lowest).amax(dim=2)
    highest = torch.where(cells.any(dim=2), highest, torch.zeros_like(highest))
    return (mean + highest) / 2


def location_confidence(features: Tensor, targets: Tensor) -> Tensor:
    """Compare every cell of an image with target embeddings.

    Args:
        features: (1 or N, C, h, w) image embedding.
        targets: (N, C) target embeddings of any norm.

    Returns:
        (N, h, w) cosine similarities, -1 to 1; 0 for a zero target.
    """
    cells, targets = F.normalize(features, dim=1), F.normalize(targets, dim=1)
    if len(cells) == 1:  # one product for all targets
        return torch.einsum("chw,nc->nhw", cells[0], targets)
    return torch.einsum("nchw,nc->nhw", cells, targets)
