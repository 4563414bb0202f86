import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.config.settings import ZoomSettings
from persam_video.tracking.view import choose_view

SIZE = (480, 854)


def test_without_zoom_and_without_objects_the_whole_frame_is_shown():
    assert choose_view([(10, 10, 20, 20)], SIZE, ZoomSettings(limit=1)) is None
    assert choose_view([], SIZE, ZoomSettings(limit=2)) is None


def test_a_small_object_is_enlarged_up_to_the_limit():
    view = choose_view([(400, 200, 440, 240)], SIZE, ZoomSettings(limit=2, room=2))
    assert view == (206, 100, 633, 340)


def test_a_large_object_gets_its_room():
    x0, _, x1, _ = choose_view([(300, 200, 500, 240)], SIZE, ZoomSettings(limit=4, room=2))
    assert x1 - x0 == pytest.approx(400, abs=1)


def test_objects_all_over_the_frame_need_all_of_it():
    boxes = [(0, 0, 50, 50), (800, 400, 850, 470)]
    assert choose_view(boxes, SIZE, ZoomSettings(limit=2)) is None


@given(
    st.tuples(st.integers(0, 852), st.integers(0, 478)),
    st.tuples(st.integers(1, 853), st.integers(1, 479)),
    st.floats(1.1, 8),
    st.floats(1, 4),
)
def test_a_view_lies_in_the_frame_shows_the_object_and_has_its_shape(begin, size, limit, room):
    x0, y0 = begin
    box = (x0, y0, min(x0 + size[0], 854), min(y0 + size[1], 480))
    view = choose_view([box], SIZE, ZoomSettings(limit=limit, room=room))
    if view is None:
        return
    assert 0 <= view[0] <= box[0] and 0 <= view[1] <= box[1]
    assert box[2] <= view[2] <= 854 and box[3] <= view[3] <= 480
    assert (view[2] - view[0]) * 480 == pytest.approx((view[3] - view[1]) * 854, abs=854)


def test_the_view_stays_while_the_object_is_well_within_it():
    zoom = ZoomSettings(limit=2, room=2)
    view = choose_view([(400, 200, 440, 240)], SIZE, zoom)
    assert choose_view([(420, 210, 460, 250)], SIZE, zoom, view) == view


def test_the_view_follows_an_object_that_nears_its_edge():
    zoom = ZoomSettings(limit=2, room=2)
    view = choose_view([(400, 200, 440, 240)], SIZE, zoom)
    box = (590, 210, 630, 250)  # inside the view, but with less than half of its margin
    assert choose_view([box], SIZE, zoom, view) == choose_view([box], SIZE, zoom) != view


def test_the_view_closes_in_on_an_object_that_has_become_much_smaller():
    zoom = ZoomSettings(limit=4, room=2)
    view = choose_view([(300, 100, 600, 300)], SIZE, zoom)
    assert choose_view([(310, 110, 590, 290)], SIZE, zoom, view) == view
    assert choose_view([(440, 190, 460, 210)], SIZE, zoom, view) != view


@given(
    st.tuples(st.integers(0, 800), st.integers(0, 440)),
    st.tuples(st.integers(-60, 60), st.integers(-60, 60)),
)
def test_a_kept_view_always_shows_the_object(begin, shift):
    zoom = ZoomSettings(limit=2, room=2)
    first = (*begin, begin[0] + 50, begin[1] + 40)
    x0, y0 = (min(max(b + s, 0), most) for b, s, most in zip(begin, shift, (804, 440), strict=True))
    box = (x0, y0, x0 + 50, y0 + 40)
    view = choose_view([box], SIZE, zoom, choose_view([first], SIZE, zoom))
    assert view is not None
    assert view[0] <= box[0] and view[1] <= box[1] and box[2] <= view[2] and box[3] <= view[3]
