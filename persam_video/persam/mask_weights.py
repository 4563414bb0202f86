"""PerSAM-F: two learned weights that choose the scale of the mask.

SAM's three masks are often an object, a part of it, and the whole that it belongs to. PerSAM-F
learns how to mix them on the annotated frame, where the answer is known.
Source: Zhang et al., "Personalize Segment Anything Model with One Shot", ICLR 2024, section 3.3.

The upstream implementation runs the decoder and autograd at each of its 800 steps. The masks do not
depend on the weights, so here they are computed once; and the loss is nearly quadratic over one
step of at most 4e-4, so its derivatives are summed over the pixels only now and then, and the steps
in between follow the quadratic that they define.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

EQUAL = (1 / 3, 1 / 3)

_LOGIT_REACH = 0.1
"""How far the pixels' logits may move, on average, before the loss is expanded again."""

_WEIGHT_REACH = 0.03
"""How far the weights may move before that, however little the logits do."""


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


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return PerSAM-F's loss of each mask: (N,) from logits and truth (N, h, w).

    Dice (smoothed by 1) plus focal loss (alpha 0.25, gamma 2, mean over the pixels).
    """
    flat, wanted = logits.flatten(1), truth.flatten(1)
    probability = flat.sigmoid()
    overlap = (probability * wanted).sum(dim=1)
    dice = 1 - (2 * overlap + 1) / (probability.sum(dim=1) + wanted.sum(dim=1) + 1)
    cross = F.binary_cross_entropy_with_logits(flat, wanted, reduction="none")
    miss = probability + wanted - 2 * probability * wanted
    focal: Tensor = (_balance(wanted) * miss.square() * cross).mean(dim=1)
    return dice + focal


def fit_mask_weights(
    logits: Tensor, truth: Tensor, *, steps: int = 800, learning_rate: float = 4e-4
) -> Tensor:
    """Learn the two weights of each object on its annotated frame.

    AdamW (eps 1e-4) on ``mask_loss``, with a cosine schedule, from 1/3 each: the weights
    of the upstream implementation. Its few small steps keep them near 1/3 on purpose: one
    image says little about the scale that the next one needs.

    Args:
        logits: (N, 3, h, w) the three masks of the annotated frame.
        truth: (N, h, w) the annotated masks, 0 to 1.
        steps: optimiser steps.
        learning_rate: at the start.

    Returns:
        (N, 2) weights.
    """
    with torch.no_grad():
        surface = _LossSurface(logits, truth)
        # the optimisation has only a few variables: on a GPU, kernel launches would dominate
        weights = torch.tensor([EQUAL] * len(logits), dtype=torch.float64)
        optimizer = torch.optim.AdamW([weights], lr=learning_rate, eps=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        expansion = surface.expand(weights)
        for _ in range(steps):
            if not expansion.reaches(weights):
                expansion = surface.expand(weights)
            weights.grad = expansion.gradient(weights)
            optimizer.step()
            schedule.step()
    return weights.to(logits.device, torch.float32)


@dataclass(frozen=True)
class _Expansion:
    """Local approximation of the loss, by Taylor polynomials of the three sums in it.

    The sums are the soft overlap of mask and truth, the soft area of the mask, and the focal loss.
    All is float64 on the CPU.

    Attributes:
        centre: (N, 2) weights at which it is exact.
        radius: (N,) distance up to which it is valid.
        truth_area: (N,) area of the truth.
        value: (N, 2) the first two sums; the loss's derivatives need no more.
        slope: (N, 3, 2) first derivatives of the sums.
        curvature: (N, 3, 2, 2) second derivatives of the sums.
    """

    centre: Tensor
    radius: Tensor
    truth_area: Tensor
    value: Tensor
    slope: Tensor
    curvature: Tensor

    def reaches(self, weights: Tensor) -> bool:
        """Whether the weights (N, 2) of all objects are within the radius."""
        return bool(((weights - self.centre).norm(dim=1) <= self.radius).all())

    def gradient(self, weights: Tensor) -> Tensor:
        """Return the loss's derivatives (N, 2) at weights (N, 2)."""
        offset = (weights - self.centre)[:, None, :, None]
        bend = (self.curvature @ offset)[..., 0]
        change = (self.slope + bend / 2)[:, :2] @ offset[:, 0]
        overlap, area = (self.value[..., None] + change).unbind(dim=1)
        overlap_slope, area_slope, focal_slope = (self.slope + bend).unbind(dim=1)
        total = area + self.truth_area[:, None] + 1
        dice_slope = ((2 * overlap + 1) * area_slope / total - 2 * overlap_slope) / total
        return dice_slope + focal_slope


class _LossSurface:
    """PerSAM-F's loss as a function of the two weights.

    Args:
        logits: (N, 3, h, w).
        truth: (N, h, w), 0 to 1.
    """

    def __init__(self, logits: Tensor, truth: Tensor) -> None:
        masks = logits.detach().float().flatten(2)
        self._truth = truth.detach().float().flatten(1)
        self._base = masks[:, 0]
        # a pixel's logit is base + w1 * first + w2 * second
        first, second = (masks[:, 1:] - masks[:, :1]).unbind(dim=1)
        self._linear = torch.stack([first, second], dim=2)
        self._quadratic = torch.stack([first * first, first * second, second * second], dim=2)

    def expand(self, weights: Tensor) -> _Expansion:
        """Expand around weights (N, 2)."""
        truth = self._truth
        at = weights[:, :, None].float().to(truth.device)
        z = self._base + (self._linear @ at)[..., 0]
        p = z.sigmoid()
        p1 = p * (1 - p)  # derivatives with respect to the logit, of p and everything below
        p2 = p1 * (1 - 2 * p)
        cross, cross1 = F.softplus(z) - z * truth, p - truth
        sign = 1 - 2 * truth
        miss, miss1, miss2 = truth + sign * p, sign * p1, sign * p2
        share = _balance(truth) / truth.shape[1]
        focal1 = share * miss * (2 * miss1 * cross + miss * cross1)
        focal2 = share * (
            2 * cross * (miss1.square() + miss * miss2) + miss * (4 * miss1 * cross1 + miss * p1)
        )
        value = torch.stack([(p * truth).sum(dim=1), p.sum(dim=1)], dim=1)
        slope = torch.stack([p1 * truth, p1, focal1], dim=1) @ self._linear
        squares = torch.stack([p2 * truth, p2, focal2], dim=1) @ self._quadratic
        # the loss depends on undecided pixels; this is how fast their logits change
        moments = (p1[:, None] @ self._quadratic)[:, 0]
        pace = ((moments[:, 0] + moments[:, 2]) / p1.sum(dim=1)).sqrt()
        return _Expansion(
            centre=weights.clone(),
            radius=_local((_LOGIT_REACH / pace).clamp(max=_WEIGHT_REACH)),
            truth_area=_local(truth.sum(dim=1)),
            value=_local(value),
            slope=_local(slope),
            curvature=_local(squares[..., [0, 1, 1, 2]].view(-1, 3, 2, 2)),
        )


def _local(sums: Tensor) -> Tensor:
    return sums.cpu().double()


def _balance(truth: Tensor) -> Tensor:
    return 0.75 - 0.5 * truth
