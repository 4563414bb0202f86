"""PerSAM-F: two learned weights that choose the scale of the mask.

SAM's three masks are often the object, a part of it and the whole it belongs to. PerSAM-F learns
how to mix them on the reference, where the answer is known. The masks do not depend on the weights,
so they are computed once and the fit touches two numbers for each object.
Source: Zhang et al., "Personalize Segment Anything Model with One Shot", ICLR 2024, section 3.3.
"""

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

EQUAL = (1 / 3, 1 / 3)


def mix_masks(logits: Tensor, weights: Tensor) -> Tensor:
    """Mix three masks: (1 - w1 - w2) L1 + w1 L2 + w2 L3.

    Args:
        logits: (N, 3, h, w).
        weights: (N, 2).

    Returns:
        (N, 1, h, w).
    """
    first = 1 - weights.sum(dim=1, keepdim=True)
    shares = torch.cat([first, weights], dim=1).to(logits.dtype)
    return torch.einsum("nmhw,nm->nhw", logits, shares)[:, None]


def fit_mask_weights(
    logits: Tensor, truth: Tensor, *, steps: int = 800, learning_rate: float = 4e-4
) -> Tensor:
    """Learn the two weights of each object on its reference.

    Dice plus focal loss (alpha 0.25, gamma 2), AdamW (eps 1e-4), cosine schedule, from 1/3 each.

    Args:
        logits: (N, 3, h, w) the three masks on the reference.
        truth: (N, h, w) the reference masks, 0 to 1.
        steps: optimiser steps.
        learning_rate: at the start.

    Returns:
        (N, 2) weights.
    """
    logits, truth = logits.detach().float(), truth.detach().float()
    with torch.inference_mode(False), torch.enable_grad():
        fixed, wanted = logits.clone(), truth.clone()
        weights = torch.tensor([EQUAL] * len(fixed), device=fixed.device, requires_grad=True)
        optimizer = torch.optim.AdamW([weights], lr=learning_rate, eps=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            loss = reference_loss(mix_masks(fixed, weights)[:, 0], wanted)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            schedule.step()
    return weights.detach()


def reference_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return dice plus focal loss of each mask: (N,) from logits and truth (N, h, w)."""
    flat, wanted = logits.flatten(1), truth.flatten(1)
    probability = flat.sigmoid()
    overlap = (probability * wanted).sum(dim=1)
    dice = 1 - (2 * overlap + 1) / (probability.sum(dim=1) + wanted.sum(dim=1) + 1)
    cross = F.binary_cross_entropy_with_logits(flat, wanted, reduction="none")
    hit = probability * wanted + (1 - probability) * (1 - wanted)
    balance = 0.25 * wanted + 0.75 * (1 - wanted)
    focal = (balance * (1 - hit).square() * cross).mean(dim=1)
    return cast(Tensor, dice + focal)
