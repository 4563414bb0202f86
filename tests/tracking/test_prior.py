import torch
from hypothesis import given
from hypothesis import strategies as st

from persam_video.tracking.prior import mask_prompt, move_masks, prior_on_grid


@given(st.integers(-6, 6), st.integers(-6, 6))
def test_a_mask_moves_by_whole_pixels_and_leaves_nothing_behind(x, y):
    masks = torch.zeros(1, 24, 32)
    masks[:, 8:14, 10:20] = 1
    moved = move_masks(masks, torch.tensor([[float(x), float(y)]]))
    expected = torch.zeros(1, 24, 32)
    expected[:, 8 + y : 14 + y, 10 + x : 20 + x] = 1
    assert torch.allclose(moved, expected, atol=1e-3)


def test_what_moves_out_is_gone_and_nothing_comes_in():
    moved = move_masks(torch.ones(1, 10, 10), torch.tensor([[4.0, 0.0]]))
    assert moved[0, :, :4].max() < 1e-3
    assert moved[0, :, 4:].min() > 1 - 1e-3


def test_each_mask_has_its_own_shift():
    masks = torch.zeros(2, 8, 8)
    masks[:, 4, 4] = 1
    moved = move_masks(masks, torch.tensor([[1.0, 0.0], [0.0, -2.0]]))
    assert moved[0, 4, 5] > 0.99
    assert moved[1, 2, 4] > 0.99


def test_the_prior_grows_by_cells():
    masks = torch.zeros(1, 32, 32)
    masks[:, 12:16, 12:16] = 1
    assert prior_on_grid(masks, (8, 8), 0).sum() == 1
    assert prior_on_grid(masks, (8, 8), 1).sum() == 9


def test_a_certain_mask_is_a_certain_prompt():
    prompt = mask_prompt(torch.tensor([[[0.0, 0.5, 1.0]]]))
    assert prompt.shape == (1, 1, 1, 3)
    assert prompt.flatten().tolist() == [-6.0, 0.0, 6.0]
