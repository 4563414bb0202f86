import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from persam_video.persam.mask_weights import EQUAL, fit_mask_weights, mask_loss, mix_masks

seeds = st.integers(0, 10_000)


def random(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def smooth(noise):
    return F.avg_pool2d(noise, 9, stride=1, padding=4) * 9


def fit_step_by_step(logits, truth, steps, learning_rate):
    """The upstream implementation's loop, on the same logits."""
    weights = torch.tensor([EQUAL] * len(logits), requires_grad=True)
    optimizer = torch.optim.AdamW([weights], lr=learning_rate, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = mask_loss(mix_masks(logits, weights)[:, 0], truth).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return weights.detach()


@given(seeds)
@settings(max_examples=25)
def test_mixed_masks_follow_the_formula(seed):
    logits, weights = random(seed, 4, 3, 5, 6), random(seed + 1, 4, 2)
    first, second = weights[:, :1, None], weights[:, 1:, None]
    wanted = (1 - first - second) * logits[:, 0] + first * logits[:, 1] + second * logits[:, 2]
    torch.testing.assert_close(mix_masks(logits, weights)[:, 0], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("weights", "place"), [((0, 0), 0), ((1, 0), 1), ((0, 1), 2)])
def test_a_corner_of_the_weights_is_one_mask(weights, place):
    logits = random(0, 1, 3, 5, 6)
    mixed = mix_masks(logits, torch.tensor([weights], dtype=torch.float32))
    torch.testing.assert_close(mixed, logits[:, place : place + 1])


def test_the_loss_agrees_with_its_parts():
    logits, truth = random(0, 2, 4, 5), (random(1, 2, 4, 5) > 0).float()
    p = logits.sigmoid()
    for value, x, t in zip(mask_loss(logits, truth), p, truth, strict=True):
        dice = 1 - (2 * (x * t).sum() + 1) / (x.sum() + t.sum() + 1)
        right = torch.where(t > 0, x, 1 - x)
        focal = -torch.where(t > 0, 0.25, 0.75) * (1 - right) ** 2 * right.log()
        assert value.item() == pytest.approx((dice + focal.mean()).item(), abs=1e-5)


@pytest.mark.parametrize(
    ("scale", "steps", "learning_rate"),
    [(0.5, 800, 4e-4), (4.0, 800, 4e-4), (30.0, 800, 4e-4), (4.0, 1000, 1e-3)],
)
def test_the_fit_gives_the_weights_of_the_steps(scale, steps, learning_rate):
    truth = (smooth(random(1, 2, 1, 32, 32))[:, 0] > 0).float()
    logits = (smooth(random(2, 2, 3, 32, 32)) + (truth[:, None] - 0.5)) * scale
    ours = fit_mask_weights(logits, truth, steps=steps, learning_rate=learning_rate)
    wanted = fit_step_by_step(logits, truth, steps, learning_rate)
    torch.testing.assert_close(ours, wanted, atol=1e-3, rtol=0)
    losses = [mask_loss(mix_masks(logits, w)[:, 0], truth) for w in (ours, wanted)]
    assert (losses[0] <= losses[1] + 1e-4).all()


@given(seeds, st.floats(0.1, 50))
@settings(max_examples=10)
def test_the_fit_never_ends_above_where_it_began(seed, scale):
    truth = smooth(random(seed, 1, 1, 16, 16))[:, 0].sigmoid()  # a soft truth is allowed
    logits = smooth(random(seed + 1, 1, 3, 16, 16)) * scale
    before = mask_loss(mix_masks(logits, torch.tensor([EQUAL]))[:, 0], truth)
    weights = fit_mask_weights(logits, truth, steps=200)
    after = mask_loss(mix_masks(logits, weights)[:, 0], truth)
    assert after.item() <= before.item() + 1e-3


def test_objects_are_fitted_independently():
    truth = (smooth(random(1, 3, 1, 24, 24))[:, 0] > 0).float()
    logits = smooth(random(2, 3, 3, 24, 24)) * torch.tensor([1.0, 8.0, 20.0])[:, None, None, None]
    together = fit_mask_weights(logits, truth, steps=200)
    alone = torch.cat(
        [fit_mask_weights(x[None], t[None], steps=200) for x, t in zip(logits, truth, strict=True)]
    )
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("level", [-1e4, 0.0, 1e4])
@pytest.mark.parametrize("wanted", [0.0, 1.0])
def test_flat_masks_leave_the_weights_finite(level, wanted):
    weights = fit_mask_weights(
        torch.full((1, 3, 8, 8), level), torch.full((1, 8, 8), wanted), steps=20
    )
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(weights, torch.tensor([EQUAL]), atol=0.01, rtol=0)


def test_a_mask_that_is_right_gains_weight():
    truth = torch.zeros(1, 24, 24)
    truth[:, 6:18, 4:15] = 1
    wrong = smooth(random(0, 1, 2, 24, 24))
    logits = torch.cat([wrong[:, :1], (truth[:, None] - 0.5) * 6, wrong[:, 1:]], dim=1)
    first, second = fit_mask_weights(logits, truth)[0].tolist()
    assert first > 1 / 3 > second
