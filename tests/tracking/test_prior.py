import torch
from hypothesis import given
from hypothesis import strategies as st

from persam_video.persam.matching import cell_coverage
from persam_video.tracking.prior import grow_cells, mask_prompt, seen_from


def move_masks(masks, shift):
    """Move masks within a frame that is seen whole, one pixel of the mask for one of the frame."""
    whole = torch.tensor([0.0, 0.0, masks.shape[2], masks.shape[1]])
    return seen_from(masks, whole.expand(len(masks), 4), whole, shift)


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


def test_a_mask_is_brought_from_view_to_view():
    masks = torch.zeros(1, 16, 16)  # of a frame of 64x64
    masks[:, 4:8, 8:12] = 1  # rows 16 to 32, columns 32 to 48
    whole, part = torch.tensor([0.0, 0.0, 64.0, 64.0]), torch.tensor([24.0, 8.0, 56.0, 40.0])
    near = seen_from(masks, whole[None], part, torch.zeros(1, 2))
    expected = torch.zeros(1, 16, 16)
    expected[:, 4:12, 4:12] = 1  # twice as large, and where the view has it
    assert ((near > 0.5) == (expected > 0.5)).all()
    back = seen_from(near, part[None], whole, torch.zeros(1, 2))
    assert ((back > 0.5) == (masks > 0.5)).all()


def test_views_may_have_different_shapes():
    masks = torch.zeros(1, 16, 16)  # of a frame of 64x64
    masks[:, 4:8, 8:12] = 1  # rows 16 to 32, columns 32 to 48
    whole, part = torch.tensor([[0.0, 0.0, 64.0, 64.0]]), torch.tensor([16.0, 8.0, 64.0, 40.0])
    near = seen_from(masks, whole, part, torch.zeros(1, 2), (16, 24))
    expected = torch.zeros(1, 16, 24)
    expected[:, 4:12, 8:16] = 1  # two cells for each pixel of the mask
    assert ((near > 0.5) == (expected > 0.5)).all()


def test_what_a_view_did_not_show_is_empty():
    part, whole = torch.tensor([[32.0, 0.0, 64.0, 32.0]]), torch.tensor([0.0, 0.0, 64.0, 64.0])
    seen = seen_from(torch.ones(1, 8, 8), part, whole, torch.zeros(1, 2))
    assert seen[0, :4, 4:].min() > 0.9
    assert seen[0, 5:].max() == 0
    assert seen[0, :, :3].max() == 0


def test_the_prior_grows_by_cells():
    masks = torch.zeros(1, 32, 32)
    masks[:, 12:16, 12:16] = 1
    coverage = cell_coverage(masks, (8, 8))
    assert grow_cells(coverage, 0).sum() == 1
    assert grow_cells(coverage, 1).sum() == 9


def test_a_certain_mask_is_a_certain_prompt():
    prompt = mask_prompt(torch.tensor([[[0.0, 0.5, 1.0]]]))
    assert prompt.shape == (1, 1, 1, 3)
    assert prompt.flatten().tolist() == [-6.0, 0.0, 6.0]
