"""Losses of the embedded model's training."""

import torch
from torch import Tensor
from torch.nn import functional as F


def mask_losses(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return the loss of every mask, (N, M).

    Cross entropy, with three times the weight along the boundary, and dice.

    Args:
        logits: (N, M, H, W).
        truth: (N, H, W), 0 to 1.
        known: (N, H, W), 1 where the truth is known.
    """
    target = truth[:, None].expand_as(logits)
    edge = F.max_pool2d(truth[:, None], 5, 1, 2) + F.max_pool2d(-truth[:, None], 5, 1, 2)
    weight = known[:, None] * (1 + 2 * edge)
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    cross = (cross * weight).flatten(2).sum(2) / weight.flatten(2).sum(2).clamp(min=1)
    probability = logits.sigmoid() * known[:, None]
    target = target * known[:, None]
    overlap = (probability * target).flatten(2).sum(2)
    total = (probability.square() + target.square()).flatten(2).sum(2)
    dice = 1 - (2 * overlap + 4) / (total + 4)
    return 2 * cross + dice


def mask_iou(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return the IoU (N, M) of thresholded masks with the truth; 1 where both are empty."""
    predicted = (logits > 0) & (known[:, None] > 0.5)
    actual = ((truth > 0.5) & (known > 0.5))[:, None]
    both = (predicted & actual).flatten(2).sum(2)
    either = (predicted | actual).flatten(2).sum(2)
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))


def decoder_loss(
    logits: Tensor, iou: Tensor, truth: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the decoder's loss and the mean IoU of its single mask.

    The single mask, the best of the three others (a tenth of their mean keeps all alive), and the
    squared error of the predicted IoU. An absent object has IoU 0 by definition, so that predicted
    IoU also tells whether the object is there.
    """
    losses = mask_losses(logits, truth, known)
    with torch.no_grad():
        actual = mask_iou(logits, truth, known)
        present = (truth * known).flatten(1).amax(1) > 0.5
        wanted = actual * present[:, None]
    best = losses[:, 1:].amin(1) + 0.1 * losses[:, 1:].mean(1)
    loss = losses[:, 0].mean() + best.mean() + (iou - wanted).square().mean()
    return loss, actual[present, 0].mean()


def similarity_loss(confidence: Tensor, coverage: Tensor, scale: float, offset: Tensor) -> Tensor:
    """Cross entropy that makes a similarity map (N, h, w) high on the object and low elsewhere.

    Object and background weigh the same, whatever their areas.
    """
    logits = scale * (confidence - offset)
    cross = F.binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    inside = (cross * coverage).flatten(1).sum(1) / coverage.flatten(1).sum(1).clamp(min=0.5)
    outside = (cross * (1 - coverage)).flatten(1).sum(1) / (1 - coverage).flatten(1).sum(1).clamp(
        min=0.5
    )
    return (inside + outside).mean()
