from hypothesis import given
from hypothesis import strategies as st

from persam_video.fleet.order import hand_out_order

SIZES = st.lists(st.floats(0, 1e12), max_size=60)


@given(SIZES)
def test_every_video_is_handed_out_once(sizes):
    assert sorted(hand_out_order(range(len(sizes)), sizes)) == list(range(len(sizes)))


def test_the_largest_begin_and_every_fourth_is_small():
    assert hand_out_order("abcdefgh", range(8)) == ["h", "g", "f", "a", "e", "d", "c", "b"]


@given(SIZES)
def test_the_large_ones_come_by_size(sizes):
    order = hand_out_order(sizes, sizes)
    large = [size for place, size in enumerate(order) if place % 4 != 3]
    assert large == sorted(large, reverse=True)
