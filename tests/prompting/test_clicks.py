import numpy as np

from persam_video.prompting.clicks import next_click


def square(size, x, y, side):
    mask = np.zeros((size, size), np.bool_)
    mask[y : y + side, x : x + side] = True
    return mask


EVERYWHERE = np.ones((60, 60), np.bool_)


def test_the_first_click_is_in_the_middle_of_the_object():
    x, y, positive = next_click(np.zeros((60, 60), np.bool_), square(60, 10, 20, 21), EVERYWHERE)
    assert (x, y) == (20, 30)
    assert positive


def test_the_next_one_is_where_most_is_wrong():
    truth = square(60, 10, 20, 21)
    assert next_click(truth | square(60, 40, 3, 5), truth, EVERYWHERE) == (42, 5, False)
    too_little = truth & ~square(60, 20, 20, 11)
    x, _, positive = next_click(too_little | square(60, 40, 3, 5), truth, EVERYWHERE)
    assert positive
    assert 20 <= x < 31


def test_the_border_of_the_picture_is_a_border():
    everything = np.ones((61, 61), np.bool_)
    x, y, _ = next_click(np.zeros((61, 61), np.bool_), everything, everything)
    assert abs(x - 30) <= 1 and abs(y - 30) <= 1


def test_nobody_clicks_on_a_right_answer_or_on_what_is_unknown():
    truth = square(60, 10, 20, 21)
    assert next_click(truth, truth, EVERYWHERE) is None
    assert next_click(truth & ~square(60, 15, 25, 3), truth, ~square(60, 15, 25, 3)) is None
