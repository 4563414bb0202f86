from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.config.settings import ZoomSettings
from persam_video.sam import load_sam
from persam_video.sam.model import SamModel
from persam_video.sam.transform import InputTransform
from persam_video.tracking.view import choose_view

SIZE = (480, 854)
ZOOM = ZoomSettings(limit=2, room=2, size=300)
NEVER_SMALL = ZOOM.model_copy(update={"small": 0.0})


@pytest.fixture(scope="module")
def lite() -> SamModel:
    return load_sam("lite", device="cpu")


@dataclass(frozen=True)
class Square:
    """A model with SAM's input: a square of 1024 pixels, padded."""

    info = SimpleNamespace(image_size=1024)
    network = SimpleNamespace(padding=None)


def scale(view):
    """Give the input pixels of a view for one pixel of the frame."""
    x0, y0, x1, y1 = view.box
    return max(view.input_size) / max(x1 - x0, y1 - y0)


def pixels(view, size=SIZE, multiple=32):
    """Give the pixels of a view in the model's input."""
    height, width = InputTransform.fit(size, 768, multiple, view).padded_size
    return height * width


def with_limit(limit):
    """Give the settings with another limit of the magnification."""
    return ZOOM.model_copy(update={"limit": float(limit)})


def test_without_zoom_and_without_objects_the_whole_frame_is_shown(lite):
    assert choose_view([(10, 10, 20, 20)], SIZE, lite, ZoomSettings(limit=1)) is None
    assert choose_view([], SIZE, lite, ZOOM) is None


def test_a_small_object_is_magnified_up_to_the_limit(lite):
    view = choose_view([(400, 200, 440, 240)], SIZE, lite, ZOOM)
    assert scale(view) == pytest.approx(2 * 768 / 854, rel=0.02)
    closer = choose_view([(400, 200, 440, 240)], SIZE, lite, with_limit(4))
    assert scale(closer) == pytest.approx(4 * 768 / 854, rel=0.02)


def test_an_object_is_not_magnified_beyond_the_size_that_is_enough(lite):
    view = choose_view([(300, 100, 500, 300)], SIZE, lite, with_limit(4))
    assert 200 * scale(view) == pytest.approx(300, rel=0.05)
    # of several, small and large ones count the same
    view = choose_view([(300, 100, 400, 200), (400, 0, 800, 400)], SIZE, lite, with_limit(4))
    assert view is not None
    assert 200 * scale(view) <= 1.03 * 300


def test_a_large_object_has_the_whole_frame(lite):
    assert choose_view([(200, 50, 650, 430)], SIZE, lite, ZOOM) is None


def test_objects_all_over_the_frame_need_all_of_it(lite):
    boxes = [(0, 0, 50, 50), (800, 400, 850, 470)]
    assert choose_view(boxes, SIZE, lite, ZOOM) is None
    # with more pixels it is all of it, larger
    more = choose_view(boxes, SIZE, lite, ZOOM.model_copy(update={"pixels": 2.0}))
    assert more.box == (0, 0, 854, 480)
    assert scale(more) == pytest.approx(2**0.5 * 768 / 854, rel=0.03)


@given(
    st.tuples(st.integers(1, 1200), st.integers(1, 1200)),
    st.data(),
    st.floats(1.1, 8),
    st.floats(1, 4),
    st.floats(1, 4),
    st.booleans(),
)
def test_a_view_lies_in_the_frame_shows_the_object_and_fills_the_input(
    lite, size, data, limit, room, most, square
):
    height, width = size
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    zoom = ZoomSettings(limit=limit, room=room, pixels=most)
    view = choose_view([(x0, y0, x1, y1)], size, Square() if square else lite, zoom)
    if view is None:
        return
    left, top, right, bottom = view.box
    assert 0 <= left <= x0 and 0 <= top <= y0
    assert x1 <= right <= width and y1 <= bottom <= height
    if square:
        assert max(view.input_size) == 1024
        return
    assert max(view.input_size) % 32 == 0
    scale = 768 / max(size)
    if min(size) * scale >= 96:  # narrower ones are mostly padding
        # a frame of few pixels is rounded by whole ones
        assert pixels(view, size) <= 2.5 * most * width * height * scale**2


def test_every_view_of_a_video_takes_about_the_time_of_the_whole_frame(lite):
    for box in ((400, 200, 440, 240), (100, 0, 180, 300), (0, 300, 400, 380), (500, 90, 700, 300)):
        view = choose_view([box], SIZE, lite, ZOOM)
        assert pixels(view) == pytest.approx(768 * 432, rel=0.1)


def test_a_view_for_a_square_input_is_square(lite):
    x0, y0, x1, y1 = choose_view([(400, 200, 440, 240)], SIZE, Square(), ZOOM).box
    assert (x1 - x0, y1 - y0) == (427, 427)


def test_the_view_stays_while_the_object_is_well_within_it(lite):
    view = choose_view([(400, 200, 440, 240)], SIZE, lite, ZOOM)
    assert choose_view([(420, 210, 460, 250)], SIZE, lite, ZOOM, view) == view


def test_the_view_follows_an_object_that_nears_its_edge(lite):
    view = choose_view([(400, 200, 440, 240)], SIZE, lite, ZOOM)
    right = view.box[2]
    box = (right - 45, 210, right - 5, 250)  # with less than half of its margin of 20 pixels
    moved = choose_view([box], SIZE, lite, ZOOM, view)
    assert moved == choose_view([box], SIZE, lite, ZOOM) != view


def test_the_view_closes_in_on_an_object_that_has_become_much_smaller(lite):
    zoom = with_limit(4)
    view = choose_view([(350, 150, 550, 350)], SIZE, lite, zoom)
    assert choose_view([(360, 160, 540, 340)], SIZE, lite, zoom, view) == view
    assert choose_view([(440, 190, 500, 250)], SIZE, lite, zoom, view) != view


def test_while_the_model_is_sure_the_view_is_closer_and_smaller(lite):
    box = (300, 100, 500, 300)
    usual, sure = (choose_view([box], SIZE, lite, ZOOM, sure=sure) for sure in (False, True))
    assert pixels(sure) == pytest.approx(0.45 * pixels(usual), rel=0.15)
    assert scale(sure) >= 0.9 * scale(usual)  # at a fraction of the pixels
    x0, y0, x1, y1 = sure.box
    margins = box[0] - x0, box[1] - y0, x1 - box[2], y1 - box[3]
    assert all(30 <= margin <= 90 for margin in margins)  # sure_room asks for 30
    # large objects, too, are seen with fewer pixels
    large = choose_view([(100, 20, 800, 460)], SIZE, lite, ZOOM, sure=True)
    assert pixels(large) == pytest.approx(0.45 * 768 * 432, rel=0.15)


@pytest.mark.parametrize("box", [(300, 100, 500, 300), (400, 200, 440, 240), (50, 0, 800, 480)])
def test_the_view_changes_at_once_when_the_model_becomes_sure_or_unsure(lite, box):
    views = [choose_view([box], SIZE, lite, ZOOM, sure=sure) for sure in (False, True)]
    for before, sure in zip(views, (True, False), strict=True):
        after = choose_view([box], SIZE, lite, ZOOM, before, sure=sure)
        assert after == views[sure] != before


def crowd(size, count=7):
    """Give boxes of objects of a size (width, height) in a row through the frame."""
    lefts = [60 + 110 * number for number in range(count)]
    return [(left, 120, left + size[0], 120 + size[1]) for left in lefts]


def test_a_crowd_of_small_objects_is_seen_closer_and_in_more_pixels(lite):
    boxes = crowd((50, 140))
    small, usual = (choose_view(boxes, SIZE, lite, zoom) for zoom in (ZOOM, NEVER_SMALL))
    assert pixels(small) == pytest.approx(1.5 * pixels(usual), rel=0.1)
    assert scale(small) > 1.2 * scale(usual)
    few = crowd((50, 140))[::3]
    assert choose_view(few, SIZE, lite, ZOOM) == choose_view(few, SIZE, lite, NEVER_SMALL)
    large = crowd((100, 300))
    assert choose_view(large, SIZE, lite, ZOOM) == choose_view(large, SIZE, lite, NEVER_SMALL)
    assert choose_view(boxes, SIZE, lite, ZOOM, sure=True) == choose_view(
        boxes, SIZE, lite, NEVER_SMALL, sure=True
    )


def test_small_objects_at_the_limit_of_the_magnification_need_no_more_pixels(lite):
    boxes = [(400 + 20 * number, 200, 410 + 20 * number, 220) for number in range(4)]
    assert choose_view(boxes, SIZE, lite, ZOOM) == choose_view(boxes, SIZE, lite, NEVER_SMALL)


@pytest.mark.parametrize("limit", [1.5, 2, 3])
@pytest.mark.parametrize("size", [(360, 640), (480, 854), (720, 1280), (1080, 1920)])
def test_the_limit_of_the_magnification_is_not_missed_by_rounding(lite, size, limit):
    boxes = [(200 + 15 * number, 100, 210 + 15 * number, 110) for number in range(4)]
    views = [
        choose_view(boxes, size, lite, zoom.model_copy(update={"limit": float(limit)}))
        for zoom in (ZOOM, NEVER_SMALL)
    ]
    assert views[0] == views[1]


def test_a_crowd_has_no_more_pixels_than_the_limit_of_the_magnification_can_use(lite):
    def apart(far):
        places = [(200, 120), (200 + 2 * far, 120), (200, 120 + far), (200 + 2 * far, 120 + far)]
        boxes = [(x, y, x + 20, y + 20) for x, y in places]
        return pixels(choose_view(boxes, SIZE, lite, ZOOM))

    sizes = [apart(far) for far in range(180, 300, 4)]
    assert sizes[-1] > 1.4 * sizes[0]
    assert all(after < 1.15 * before for before, after in pairwise(sizes))


def test_a_crowd_in_a_square_input_is_seen_as_other_objects(lite):
    views = [choose_view(crowd((50, 140)), SIZE, Square(), zoom) for zoom in (ZOOM, NEVER_SMALL)]
    assert views[0] == views[1]


def test_a_square_input_is_as_large_however_sure_the_model_is(lite):
    boxes = [(300, 100, 500, 300)]
    usual, sure = (choose_view(boxes, SIZE, Square(), ZOOM, sure=sure) for sure in (False, True))
    assert sure == usual


@given(
    st.lists(
        st.tuples(
            st.integers(0, 800), st.integers(0, 430), st.integers(1, 854), st.integers(1, 480)
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
    st.booleans(),
)
def test_a_view_is_kept_while_nothing_moves(lite, places, sure, square):
    boxes = [(x, y, min(x + wide, 854), min(y + high, 480)) for x, y, wide, high in places]
    model = Square() if square else lite
    view = choose_view(boxes, SIZE, model, ZOOM, sure=sure)
    assert choose_view(boxes, SIZE, model, ZOOM, view, sure=sure) == view


@given(
    st.tuples(st.integers(0, 800), st.integers(0, 440)),
    st.tuples(st.integers(-60, 60), st.integers(-60, 60)),
)
def test_a_kept_view_always_shows_the_object(lite, begin, shift):
    first = (*begin, begin[0] + 50, begin[1] + 40)
    x0, y0 = (min(max(b + s, 0), most) for b, s, most in zip(begin, shift, (804, 440), strict=True))
    box = (x0, y0, x0 + 50, y0 + 40)
    view = choose_view([box], SIZE, lite, ZOOM, choose_view([first], SIZE, lite, ZOOM))
    assert view is not None
    left, top, right, bottom = view.box
    assert left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom
