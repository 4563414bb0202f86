import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.errors import AnnotationError
from persam_video.prompting import ObjectPrompts, parse_prompts

ids = st.integers(1, 254)
numbers = st.floats(0, 5000, allow_nan=False).map(lambda value: round(value, 3))


@given(st.dictionaries(ids, st.tuples(numbers, numbers, numbers, numbers), max_size=5))
def test_boxes_come_back_in_order_of_id(boxes):
    texts = [f"{key}:{','.join(map(str, box))}" for key, box in boxes.items()]
    wanted = tuple(ObjectPrompts(key, boxes[key]) for key in sorted(boxes))
    assert parse_prompts(texts, []) == wanted


@given(ids, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4))
def test_a_minus_is_for_the_background(object_id, pairs):
    text = f"{object_id}:{','.join(f'{x},{y}' for x, y in pairs)}"
    assert parse_prompts([], [text]) == (ObjectPrompts(object_id, points=tuple(pairs)),)
    assert parse_prompts([], [f"-{text}"]) == (ObjectPrompts(object_id, background=tuple(pairs)),)


def test_what_is_said_of_one_object_comes_together():
    parsed = parse_prompts(["2:1,2,3,4"], ["1:5,6", "2:1,2", "-2:9,9", "2:3,3"])
    assert parsed == (
        ObjectPrompts(1, points=((5, 6),)),
        ObjectPrompts(2, (1, 2, 3, 4), ((1, 2), (3, 3)), ((9, 9),)),
    )


@pytest.mark.parametrize(
    ("boxes", "points", "said"),
    [
        (["1,2,3,4"], [], "has no ID before a colon: write ID:x0,y0,x1,y1"),
        (["a:1,2,3,4"], [], "is not of whole ID and numbers"),
        (["1:1,2,3"], [], "write ID:x0,y0,x1,y1, as 1:10,20,110,220"),
        (["0:1,2,3,4"], [], "write ID:x0,y0,x1,y1, as 1:10,20,110,220"),
        (["-1:1,2,3,4"], [], "write ID:x0,y0,x1,y1, as 1:10,20,110,220"),
        (["1:1,2,3,4", "1:1,2,3,5"], [], "object 1 already has a box"),
        (["1:1,2,nan,4"], [], "not finite"),
        ([], ["1:inf,4"], "not finite"),
        ([], ["1:4"], "write ID:x,y or ID:x,y,x,y"),
        ([], ["0:4,5"], "write ID:x,y or ID:x,y,x,y"),
        ([], ["1:4,x"], "is not of whole ID and numbers: write ID:x,y"),
    ],
)
def test_other_forms_are_refused_with_the_right_one(boxes, points, said):
    with pytest.raises(AnnotationError) as caught:
        parse_prompts(boxes, points)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        (ObjectPrompts(255, (0, 0, 5, 5)), "ids are 1 to 254"),
        (ObjectPrompts(1, (5, 5, 5, 9)), "is empty"),
        (ObjectPrompts(1, (-1, 0, 5, 5)), "reaches out of the frame, which is 60x40"),
        (ObjectPrompts(1, (0, 0, 60.5, 5)), "reaches out of the frame"),
        (ObjectPrompts(1, points=((60, 5),)), "outside the frame, which is 60x40"),
        (ObjectPrompts(1, (0, 0, 5, 5), background=((3, 40),)), "outside the frame"),
        (ObjectPrompts(1, background=((3, 4),)), "name nothing"),
        (ObjectPrompts(1, (0, 0, math.nan, 5)), "is empty"),
    ],
)
def test_prompts_that_do_not_fit_the_frame_are_refused(prompts, said):
    with pytest.raises(AnnotationError, match=said):
        prompts.in_pixels((40, 60))


def test_a_box_may_be_the_whole_frame():
    placed = ObjectPrompts(254, (0, 0, 60, 40), ((59, 39),)).in_pixels((40, 60))
    assert (placed.box, placed.points) == ((0, 0, 60, 40), ((59, 39),))


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ("14%,35%,37%,66%", (8, 14, 22, 26)),
        ("0%,0%,100%,100%", (0, 0, 60, 40)),
        ("10%, 20, 50%, 90%", (6, 20, 30, 36)),
        ("0.5%,0.5%,2%,3%", (0, 0, 1, 1)),
    ],
)
def test_percent_of_the_frame(box, wanted):
    (prompts,) = parse_prompts([f"1:{box}"], [])
    assert prompts.in_pixels((40, 60)).box == wanted


def test_points_in_percent():
    (prompts,) = parse_prompts([], ["1:50%,25%,100%,0%", "-1:10%,12"])
    placed = prompts.in_pixels((40, 60))
    assert placed.points == ((30, 10), (59, 0))
    assert placed.background == ((6, 12),)


@pytest.mark.parametrize(
    ("boxes", "points", "said"),
    [
        (["1:0.14,0.35,0.37,0.66"], [], r"one pixel at most; give pixels, or percent .*14%"),
        (["1:0.2,0.2,0.9,0.9"], [], "one pixel at most"),
        (["1:0,0,1,1"], [], "one pixel at most"),
        (["1:0.6,5,1.4,9"], [], "lies between pixels"),
        (["1:5.6,5.2,6.4,30"], [], "lies between pixels"),
        (["1:5,7.5,30,8.5"], [], "lies between pixels"),
        (["1:10%,10%,10.1%,90%"], [], "is empty"),
        (["1:10%,10%,110%,90%"], [], "reaches out of the frame"),
        (["1:-10%,10%,50%,90%"], [], "reaches out of the frame"),
        ([], ["1:0.5,0.25"], "in the corner pixel; give pixels, or percent"),
        ([], ["1:101%,5"], "outside the frame"),
    ],
)
def test_shares_and_boxes_without_a_pixel_are_refused(boxes, points, said):
    (prompts,) = parse_prompts(boxes, points)
    with pytest.raises(AnnotationError, match=said) as caught:
        prompts.in_pixels((40, 60))
    assert "\n" not in str(caught.value)


@given(st.tuples(st.floats(0, 20), st.floats(0, 20), st.floats(0, 20), st.floats(0, 20)))
def test_a_box_that_is_taken_holds_a_pixel(box):
    try:
        x0, y0, x1, y1 = ObjectPrompts(1, box).in_pixels((20, 20)).box
    except AnnotationError:
        return
    centres = [k + 0.5 for k in range(20)]
    assert any(x0 < centre < x1 for centre in centres)
    assert any(y0 < centre < y1 for centre in centres)
