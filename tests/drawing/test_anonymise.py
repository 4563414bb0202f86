"""Hidden objects: every pixel of every frame, with a mask and without."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from persam_video.drawing.overlay import Painter
from persam_video.drawing.overlay_style import OverlayStyle, WhenLost
from persam_video.results import FrameResult

HEIGHT, WIDTH = 96, 128


def texture(seed=0, height=HEIGHT, width=WIDTH):
    """Squares of 2 pixels, white or black: nothing that is hidden looks like it."""
    small = np.random.default_rng(seed).integers(0, 2, (height // 2 + 1, width // 2 + 1, 1))
    rows, columns = np.indices((height, width)) // 2
    return np.repeat((small * 255).astype(np.uint8)[rows, columns], 3, axis=2)


def result(index, *boxes, known=(1,)):
    """A result in which object 1, 2, … fills its box (x0, y0, x1, y1), or is lost."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for object_id, box in enumerate(boxes, start=1):
        if box is not None:
            x0, y0, x1, y1 = box
            labels[y0:y1, x0:x1] = object_id
    return FrameResult.from_labels(index, index / 25, labels, list(known))


def painter(value="fill", **options):
    return Painter(OverlayStyle((f"anonymise={value}",), tags=False, **options))


@pytest.mark.parametrize("value", ["pixelate", "blur", "fill"])
def test_nothing_of_an_object_is_left_and_the_rest_is_untouched(value):
    rgb, seen = texture(), result(0, (40, 30, 80, 70))
    drawn = painter(value).draw(rgb, seen)
    inside = seen.labels > 0
    # black and white squares become grey, or black
    assert np.abs(drawn[inside].astype(int) - rgb[inside]).mean() > 80
    assert drawn[inside].std() < 0.45 * rgb[inside].std()
    changed = (drawn != rgb).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert 26 <= rows.min() <= 30 and 69 <= rows.max() <= 73  # with a small margin
    assert 36 <= columns.min() <= 40 and 79 <= columns.max() <= 83


@settings(max_examples=80)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.sampled_from([0, 0, 0, 1, 2, 200]),
    ),
    st.sampled_from(["pixelate", "blur", "fill"]),
    st.sampled_from([None, 0, 5]),
)
def test_any_mask_is_hidden_to_its_last_pixel(labels, value, feather):
    ids = sorted(set(labels.flat) - {0})
    rgb = np.full((*labels.shape, 3), 200, np.uint8)
    rgb[labels > 0] = (0, 255, 0)
    hidden = painter(
        value, feather=feather, colours=dict.fromkeys(range(1, 255), (255, 0, 255))
    ).draw(rgb, FrameResult.from_labels(0, 0.0, labels, ids))
    if value == "fill":
        assert (hidden[labels > 0] == (255, 0, 255)).all()
    assert hidden.shape == rgb.shape


@pytest.mark.parametrize("value", ["pixelate-rest", "blur-rest", "fill-rest"])
def test_the_rest_is_hidden_and_all_of_it_when_the_object_is_lost(value):
    rgb, seen = texture(), result(0, (40, 30, 80, 70))
    drawing = painter(value)
    drawn = drawing.draw(rgb, seen)
    inside = seen.labels > 0
    assert np.array_equal(drawn[inside], rgb[inside])
    assert np.abs(drawn[~inside].astype(int) - rgb[~inside]).mean() > 80
    lost = drawing.draw(rgb, result(1, None)).astype(int)
    assert np.abs(lost[inside] - rgb[inside]).mean() > 80
    assert drawing.coverage is None


def test_a_lost_object_is_hidden_where_it_was_and_farther_with_every_frame():
    drawing, rgb = painter(), texture()
    box = (40, 30, 60, 50)
    drawing.draw(rgb, result(0, box))
    sizes = []
    for index in range(1, 60):
        black = (drawing.draw(rgb, result(index, None)) == 0).all(axis=2)
        assert black[30:50, 40:60].all()
        sizes.append(np.count_nonzero(black & (rgb[..., 0] == 255)))
    assert sizes[0] < sizes[10] < sizes[20]
    assert sizes[-1] == sizes[-2]  # it does not become the whole frame
    assert drawing.coverage.kept == {1: [(1, 59)]}
    drawing.draw(rgb, result(60, box))
    drawing.draw(rgb, result(61, None))
    assert drawing.coverage.kept == {1: [(1, 59), (61, 61)]}
    assert "frames 1-59, 61" in drawing.warnings[0]


def test_a_mask_that_shrinks_at_once_keeps_the_box_too():
    drawing, rgb = painter(), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    drawing.draw(rgb, result(0, (20, 20, 80, 80)))
    drawn = drawing.draw(rgb, result(1, (20, 20, 40, 40)))
    assert not drawn[20:80, 20:80].any()
    assert drawing.coverage.kept == {1: [(1, 1)]}
    # an object that has become smaller for good is believed after some frames
    for index in range(2, 40):
        drawn = drawing.draw(rgb, result(index, (20, 20, 40, 40)))
    assert drawn[60:80, 60:80].all() and not drawn[20:40, 20:40].any()


def test_what_a_mask_encloses_is_hidden_too():
    labels = result(0, (20, 20, 80, 80)).labels.copy()
    labels[35:65, 35:65] = 0
    ring = FrameResult.from_labels(0, 0.0, labels, [1])
    drawn = painter().draw(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), ring)
    assert not drawn[20:80, 20:80].any() and drawn[:15].all()


def test_with_none_a_lost_object_is_not_hidden_but_told_of():
    drawing, rgb = painter(when_lost=WhenLost.NONE), texture()
    drawing.draw(rgb, result(0, (40, 30, 60, 50)))
    assert np.array_equal(drawing.draw(rgb, result(2, None)), rgb)
    assert (drawing.coverage.kept, drawing.coverage.lost) == ({}, {1: [(2, 2)]})
    assert "frame 2," in drawing.warnings[0]


def test_frames_before_an_object_is_known_are_told_of():
    drawing, rgb = painter(), texture()
    for index in range(3):
        drawing.draw(rgb, result(index, (40, 30, 60, 50)))
    drawing.draw(rgb, result(3, (40, 30, 60, 50), (2, 2, 9, 9), known=(1, 2)))
    assert drawing.coverage.unknown == {2: [(0, 2)]}
    # one that is searched for and never found
    searching = painter()
    searching.draw(rgb, result(0, None))
    searching.draw(rgb, result(1, None))
    assert searching.coverage.unknown == {1: [(0, 1)]}


def test_frames_that_are_passed_over_are_known_all_the_same():
    drawing, rgb = painter(), texture()
    drawing.pass_over(result(0, (40, 30, 60, 50)))
    drawing.pass_over(result(1, None))
    assert not drawing.draw(rgb, result(2, None))[30:50, 40:60].any()
    assert drawing.coverage.kept == {1: [(2, 2)]}
    assert drawing.coverage.unknown == {}
