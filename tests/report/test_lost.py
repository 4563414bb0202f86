import numpy as np
import pytest

from persam_video.davis.scores import SequenceScorer
from persam_video.report.lost import LostPeriod, lost_periods


def score(truth, predicted, *, from_appearance=False):
    """Score an object that the annotations and predictions show where there is an x."""
    scorer = SequenceScorer(object_ids=(1,), from_appearance=from_appearance)
    maps = {"x": np.ones((4, 4), np.uint8), ".": np.zeros((4, 4), np.uint8)}
    for true, found in zip(truth, predicted, strict=True):
        scorer.add(maps[true], maps[found])
    (found,) = scorer.result().objects
    return found


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ("xxxx", "xxxx", []),
        ("xxxx", "....", [(0, 4, 4)]),
        ("xxxxxx", ".xx..x", [(0, 1, 1), (3, 5, 2)]),
        ("xx..xx", "x....x", [(1, 5, 2)]),
        ("x..x", "x..x", [(1, 3, 0)]),
        ("x..x", "xxxx", []),
        ("x", ".", [(0, 1, 1)]),
    ],
)
def test_frames_in_a_row_without_a_mask(truth, predicted, expected):
    periods = lost_periods(score(truth, predicted))
    assert list(periods) == [LostPeriod(*period) for period in expected]


def test_before_an_object_appears_it_is_not_lost():
    found = score("..xxx", "....x", from_appearance=True)
    assert lost_periods(found) == (LostPeriod(3, 4, 1),)
    assert lost_periods(found)[0].length == 1
