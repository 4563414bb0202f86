"""Tags: readable, inside the picture, apart from each other."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam_video.drawing.tags import draw_tags, lost_strip, pill


def drawn(height, width, anchors, lost=(), names=None):
    """A grey picture with tags."""
    rgb = np.full((height, width, 3), 90, np.uint8)
    draw_tags(rgb, anchors, lost, names)
    return rgb


def changed(*arguments, **more):
    """The pixels that tags cover on a grey picture."""
    return (drawn(*arguments, **more) != 90).any(axis=2)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.integers(1, 255), st.tuples(st.integers(0, 319), st.integers(0, 239)), max_size=12
    )
)
def test_tags_do_not_overlap(anchors):
    """Each tag covers as much of the picture beside the others as it does alone."""
    alone = sum(changed(240, 320, {i: xy}).sum() for i, xy in anchors.items())
    assert changed(240, 320, anchors).sum() == alone


def test_tags_do_not_cover_the_list_of_lost_objects():
    strip = changed(240, 320, {}, lost=(3,)).sum()
    tag = changed(240, 320, {1: (160, 120)}).sum()
    assert changed(240, 320, {1: (10, 239)}, lost=(3,)).sum() == strip + tag


@pytest.mark.parametrize("corner", [(0, 0), (319, 0), (0, 239), (319, 239)])
def test_tags_stay_in_the_picture(corner):
    assert changed(240, 320, {88: corner}).sum() == changed(240, 320, {88: (160, 120)}).sum()


def test_many_objects_in_one_place_are_all_drawn():
    """Beyond the 81 places around it, tags cover one another, and the last is still drawn."""
    place = (160, 120)
    drawn = []
    for count in (0, 1, 2, 30, 31, 99, 100, 254, 255):
        drawn.append(np.full((240, 320, 3), 90, np.uint8))
        draw_tags(drawn[-1], dict.fromkeys(range(1, count + 1), place))
    assert all((more != fewer).any() for fewer, more in pairwise(drawn))
    one, all_of_them = ((picture != 90).any(axis=2).sum() for picture in (drawn[1], drawn[-1]))
    assert all_of_them > 40 * one


@pytest.mark.parametrize("shape", [(5, 7), (3, 200), (200, 3)])
def test_a_picture_smaller_than_a_tag_gets_what_fits(shape):
    assert changed(*shape, {200: (0, 0)}, lost=(1, 2)).any()


@pytest.mark.parametrize(("height", "least"), [(120, 8), (240, 8), (1080, 28), (2160, 56)])
def test_tags_grow_with_the_picture(height, least):
    rows = np.nonzero(changed(height, 2 * height, {1: (height, height // 2)}).any(axis=1))[0]
    tag = rows.max() - rows.min() + 1
    assert least <= tag < max(20, 0.06 * height)


def test_a_long_list_of_lost_objects_ends_with_a_count():
    size, width = 12, 300
    strips = {
        n: lost_strip(tuple((str(i), (9, 200, 30)) for i in range(1, n + 1)), size, width)
        for n in (1, 2, 30, 200)
    }
    assert strips[1].shape[1] < strips[2].shape[1] < strips[30].shape[1] <= width
    assert strips[200].shape[1] <= width
    # The same ids are named; only the count at the end differs.
    assert not np.array_equal(strips[30], strips[200])


def test_a_label_is_as_wide_as_its_text():
    one, three = (pill(text, 14, (0, 0, 0), (255, 255, 255)) for text in ("1", "255"))
    assert one.shape[0] == three.shape[0] and one.shape[1] < three.shape[1]
    assert one[0, 0, 3] < 128 < one[one.shape[0] // 2, 1, 3]  # rounded corner, solid side


def test_objects_are_called_by_their_names():
    anchors = {1: (60, 100), 2: (250, 100)}
    plain = drawn(240, 320, anchors, (3,))
    named = drawn(240, 320, anchors, (3,), {1: "a dog", 3: "bird"})
    assert np.array_equal(named[:, 180:], plain[:, 180:])  # object 2 has no name
    assert (named != 90).sum() > 1.3 * (plain != 90).sum()
    for unwritable in ("鯉", "a\nb", " "):
        assert np.array_equal(drawn(240, 320, anchors, (3,), {1: unwritable}), plain)
    alike = drawn(240, 320, anchors, (), {1: "dog", 2: "dog"})
    assert np.array_equal(alike, drawn(240, 320, anchors, (), {1: "dog 1", 2: "dog 2"}))
    cut = drawn(240, 320, anchors, (), {1: "x" * 1000})
    assert np.array_equal(cut, drawn(240, 320, anchors, (), {1: "x" * 23 + "…"}))
