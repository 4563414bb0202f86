import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from persam_video.vos.regions import format_mask, parse_mask

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(masks)
def test_a_mask_comes_back(mask):
    text = format_mask(mask)
    assert (parse_mask(text).on_frame(mask.shape) == mask).all()


@given(st.integers(-5, 8), st.integers(-5, 8))
def test_what_lies_outside_of_the_frame_is_cut_off(x, y):
    whole = np.zeros((20, 20), bool)
    whole[y + 6 : y + 9, x + 6 : x + 8] = True  # the frame begins at 6, 6
    found = parse_mask(f"m{x},{y},2,3,0,6").on_frame((6, 6))
    assert (found == whole[6:12, 6:12]).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10,10,20,20", "is not a mask"),
        ("", "is not a mask"),
        ("m1,2,3", "not a list of whole numbers"),
        ("m1,2,x,4,1", "not a list of whole numbers"),
        ("m0,0,2,2,5", "runs of 5 pixels in a box of 4"),
        ("m0,0,2,2,-1,3", "impossible run or side"),
        ("m0,0,-2,2,0", "impossible run or side"),
        ("m0,0,99999999,99999999,0", "impossible run or side"),
    ],
)
def test_other_lines_are_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse_mask(text)


def test_nothing_may_be_known():
    assert parse_mask(" 0\n") is None
