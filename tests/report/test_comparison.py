import numpy as np
import pytest

from persam_video.davis.metrics import contour_accuracy
from persam_video.report.comparison import agreement, by_object, most_different, together
from persam_video.results import FrameResult


def labels(*boxes):
    found = np.zeros((40, 60), np.uint8)
    for object_id, x0, y0, x1, y1 in boxes:
        found[y0:y1, x0:x1] = object_id
    return found


def result(index, *boxes, ids=(1, 2)):
    return FrameResult.from_labels(index, 0.0, labels(*boxes), ids)


WHOLE, HALF = (1, 10, 10, 30, 30), (1, 10, 10, 20, 30)


def test_masks_are_compared_by_object_and_two_empty_ones_are_equal():
    found = agreement(3, result(3, WHOLE), result(3, HALF))
    assert (found.frame, found.iou, found.a) == (3, {1: 0.5, 2: 1.0}, {})
    assert found.mean == 0.75


def test_an_object_that_only_one_run_knows_is_not_found_by_the_other():
    more = result(0, WHOLE, (4, 40, 10, 50, 20), ids=(1, 4))
    found = agreement(0, result(0, WHOLE, ids=(1,)), more)
    assert found.iou == {1: 1.0, 4: 0.0}


def test_both_are_scored_against_the_truth():
    truth = labels(WHOLE)
    found = agreement(0, result(0, WHOLE), result(0, HALF), truth)
    assert (found.a[1].j, found.a[1].f) == (1, 1)
    assert found.b[1].j == 0.5
    assert found.b[1].f == pytest.approx(contour_accuracy(truth == 1, labels(HALF) == 1))
    assert set(found.a) == {1}


def test_frames_that_one_run_has_alone_are_left_out():
    a = [(None, result(index)) for index in (0, 2, 3, 7)]
    b = [(None, result(index)) for index in (1, 2, 4, 7, 9)]
    assert [(x.index, y.index) for _, x, y in together(a, b)] == [(2, 2), (7, 7)]
    assert list(together(a, [])) == []


def test_an_object_is_summarised_with_its_worst_frame():
    frames = [
        agreement(0, result(0, WHOLE), result(0, WHOLE)),
        agreement(1, result(1, WHOLE), result(1, HALF), labels(WHOLE)),
    ]
    first, second = by_object(frames, {1: "dog"})
    assert (first.name, second.name) == ("dog", None)
    assert (first.iou, first.least, first.frame, first.a) == (0.75, 0.5, 1, 1)
    assert first.b < 0.8
    assert (second.iou, second.frame) == (1, 0)
    assert np.isnan(second.a)


def test_of_neighbours_that_differ_the_worst_is_named():
    other = {4: HALF, 5: (2, 0, 0, 4, 4), 6: HALF, 20: HALF}
    frames = [agreement(i, result(i, WHOLE), result(i, other.get(i, WHOLE))) for i in range(30)]
    assert [frame.frame for frame in most_different(frames, 6)] == [5, 20]
    assert [frame.frame for frame in most_different(frames, 1)] == [5]
