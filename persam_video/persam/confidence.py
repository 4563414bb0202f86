"""Location confidence, blended with the temporal prior, and the prompts derived from it."""

import torch
from torch import Tensor


def standardise(similarity: Tensor, inside: tuple[int, int]) -> Tensor:
    """Standardise similarity maps to 0..1: sigmoid of (s - mean) / std, as PerSAM does.

    Args:
        similarity: (N, h, w).
        inside: rows and columns in the frame, over which mean and std are taken; the padding
            outside gets 0.

    Returns:
        (N, h, w), monotonic in the similarity; a constant map gives a value near 0.5.
    """
    rows, columns = inside
    part = similarity[:, :rows, :columns]
    mean = part.mean(dim=(1, 2), keepdim=True)
    deviation = part.flatten(1).std(dim=1, correction=1 if part[0].numel() > 1 else 0)
    scaled = (part - mean) / deviation[:, None, None].clamp(min=1e-6)
    out = torch.zeros_like(similarity)
    out[:, :rows, :columns] = scaled.sigmoid()
    return out


def blend(confidence: Tensor, prior: Tensor, alpha: Tensor) -> Tensor:
    """Blend the temporal prior into the location confidence.

    Args:
        confidence: (N, h, w), 0 to 1.
        prior: (N, h, w) last mask on the embedding's grid, 0 to 1.
        alpha: (N,) share of the prior; at 0 the confidence is unchanged.
    """
    share = alpha[:, None, None]
    return torch.where(share == 0, confidence, (1 - share) * confidence + share * prior)


def extreme_cells(
    confidence: Tensor, inside: tuple[int, int], positives: int, negatives: int
) -> tuple[Tensor, Tensor]:
    """Choose the cells of highest and of lowest confidence.

    Args:
        confidence: (N, h, w).
        inside: rows and columns in the frame.
        positives: how many of the highest.
        negatives: how many of the lowest.

    Returns:
        Cells (N, positives + negatives, 2) as (column, row), and labels of the same length, 1 for
        the highest and 0 for the lowest.
    """
    rows, columns = inside
    flat = confidence[:, :rows, :columns].flatten(1)
    highest = flat.topk(min(positives, flat.shape[1]), dim=1).indices
    lowest = flat.topk(min(negatives, flat.shape[1]), dim=1, largest=False).indices
    index = torch.cat([highest, lowest], dim=1)
    cells = torch.stack([index % columns, index // columns], dim=2)
    labels = torch.cat([torch.ones_like(highest), torch.zeros_like(lowest)], dim=1)
    return cells.float(), labels
