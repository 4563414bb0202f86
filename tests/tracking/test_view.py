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
