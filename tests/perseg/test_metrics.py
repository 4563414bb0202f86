import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from persam_video.perseg.metrics import Overlap, boundary_overlap, boundary_region

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


def near_by_definition(mask, ratio):
    """Pixels of the mask with a pixel of the outside, or the border, within reach."""
    height, width = mask.shape
    reach = max(1, round(ratio * np.sqrt(height**2 + width**2)))
    padded = np.pad(mask, reach)
    near = np.zeros_like(mask)
    for y, x in zip(*np.nonzero(mask), strict=True):
        near[y, x] = not padded[y : y + 2 * reach + 1, x : x + 2 * reach + 1].all()
    return near


@given(masks, st.sampled_from([0.001, 0.02, 0.1, 0.3]))
def test_the_boundary_is_the_definition_s(mask, ratio):
    assert np.array_equal(boundary_region(mask, ratio), near_by_definition(mask, ratio))


def test_its_width_is_two_percent_of_the_diagonal():
    mask = np.zeros((300, 400), np.bool_)
    mask[50:250, 50:350] = True
    ring = boundary_region(mask)
    assert ring[150, 50:60].all()  # 0.02 * 500 = 10
    assert not ring[60:240, 60:340].any()


@given(hnp.arrays(np.bool_, (2, 9, 11)))
def test_iou_is_symmetric_and_bounded(pair):
    first, second = pair
    for compare in (Overlap.of, boundary_overlap):
        assert compare(first, second) == compare(second, first)
        assert 0 <= compare(first, second).iou <= 1
        assert compare(first, first).iou == 1


@pytest.mark.parametrize(
    ("parts", "iou"),
    [
        ([], 1.0),
        ([(0, 0)], 1.0),
        ([(0, 5)], 0.0),
        # pixels are summed before they are divided: 91 / 110, not the mean of 1/10 and 90/100
        ([(1, 10), (90, 100)], 91 / 110),
    ],
)
def test_overlaps_are_pooled(parts, iou):
    total = sum((Overlap(*part) for part in parts), start=Overlap())
    assert total.iou == iou


def test_a_thin_shift_costs_the_boundary_more():
    mask = np.zeros((200, 200), np.bool_)
    mask[20:180, 20:180] = True
    shifted = np.roll(mask, 4, axis=1)
    assert boundary_overlap(mask, shifted).iou < 0.6
    assert Overlap.of(mask, shifted).iou > 0.9
