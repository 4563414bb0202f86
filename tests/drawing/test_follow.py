"""The camera that follows an object."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam_video.drawing.overlay import Painter
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.errors import ConfigError
from persam_video.results import FrameResult

HEIGHT, WIDTH = 90, 160


def picture(height=HEIGHT, width=WIDTH):
    """Red tells the column of a pixel, green its row."""
    rows, columns = np.indices((height, width))
    return np.stack((columns, rows, 0 * rows), axis=2).astype(np.uint8)


def result(index, box, object_id=1, known=(1,)):
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    if box is not None:
        x0, y0, x1, y1 = box
        labels[y0:y1, x0:x1] = object_id
    return FrameResult.from_labels(index, index / 25, labels, list(known))


def corner(drawn):
    """The pixel (x, y) of the frame that is shown in the upper left corner."""
    return int(drawn[0, 0, 0]), int(drawn[0, 0, 1])


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(st.none(), st.tuples(st.integers(0, WIDTH - 12), st.integers(0, HEIGHT - 12))),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(["9:16", "1:1", "40x30", "16:9"]),
)
def test_the_object_is_always_whole_in_view_and_the_view_in_the_frame(path, shape):
    drawing = Painter(OverlayStyle((f"follow={shape}",)))
    wide, high = drawing.size(WIDTH, HEIGHT)
    for index, place in enumerate(path):
        box = None if place is None else (*place, place[0] + 12, place[1] + 12)
        drawn = drawing.draw(picture(), result(index, box))
        x, y = corner(drawn)
        assert np.array_equal(drawn, picture()[y : y + high, x : x + wide])
        if box is not None:
            assert x <= box[0] and box[2] <= x + wide
            assert y <= box[1] and box[3] <= y + high


def test_the_camera_moves_smoothly():
    drawing = Painter(OverlayStyle(("follow=40x40",)))
    corners = []
    for index in range(120):
        x = 60 if index < 10 else 72  # the object jumps, and stays
        corners.append(corner(drawing.draw(picture(), result(index, (x, 40, x + 8, 48))))[0])
    steps = np.diff(corners)
    assert steps.min() >= 0  # it does not swing back
    assert steps.max() <= 3
    assert corners[-1] - corners[0] == 12


def test_it_waits_in_the_middle_and_stays_where_the_object_was_lost():
    drawing = Painter(OverlayStyle(("follow=40x40",)))
    assert corner(drawing.draw(picture(), result(0, None))) == (60, 25)
    for index in range(1, 60):
        drawn = drawing.draw(picture(), result(index, (0, 0, 8, 8)))
    assert corner(drawn) == (0, 0)
    assert corner(drawing.draw(picture(), result(60, None))) == (0, 0)
    assert drawing.warnings == ()


def test_it_follows_the_object_that_is_asked_for():
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[40:50, 0:10], labels[40:50, 150:160] = 1, 2
    both = FrameResult.from_labels(0, 0.0, labels, [1, 2])
    for object_id, left in ((None, 0), (1, 0), (2, 120)):
        drawing = Painter(OverlayStyle(("follow=40x40",), follow=object_id))
        assert corner(drawing.draw(picture(), both))[0] == left
    never = Painter(OverlayStyle(("follow",), follow=9))
    never.draw(picture(), both)
    assert "object 9 was never visible" in never.warnings[0]


@pytest.mark.parametrize(
    ("shape", "frame", "size"),
    [
        ("9:16", (1920, 1080), (606, 1080)),
        ("9:16", (1080, 1920), (1080, 1920)),
        ("1:1", (101, 75), (74, 74)),
        ("16:9", (100, 100), (100, 56)),
        ("640x360", (1920, 1080), (640, 360)),
        ("1080x1920", (854, 480), (1080, 1920)),  # enlarged
        ("9:16", (1, 1), (1, 1)),
    ],
)
def test_sizes(shape, frame, size):
    assert Painter(OverlayStyle((f"follow={shape}",))).size(*frame) == size


@pytest.mark.parametrize("shape", ["0x10", "10", "99999x99999"])
def test_what_is_no_shape_or_size_is_refused(shape):
    with pytest.raises(ConfigError, match=rf"^follow={shape}: "):
        Painter(OverlayStyle((f"follow={shape}",)))


def test_a_frame_smaller_than_the_size_is_enlarged():
    drawing = Painter(OverlayStyle(("follow=180x320",)))
    drawn = drawing.draw(picture(), result(0, (70, 40, 80, 50)))
    assert drawn.shape == (320, 180, 3)
    assert abs(int(drawn[160, 90, 0]) - 75) <= 1 and abs(int(drawn[160, 90, 1]) - 45) <= 1


def test_shapes_are_those_that_are_seen():
    wide = OverlayStyle(("follow=9:16",), pixel_aspect=Fraction(2))
    width, height = Painter(wide).size(360, 288)
    assert (width, height) == (80, 288)  # shown as 160 by 288
