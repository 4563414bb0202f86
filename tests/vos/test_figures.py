import math

import numpy as np
import pytest

from persam_video.davis.scores import ObjectScore
from persam_video.vos.figures import after_change, last_quarter, mean, periods, variation


def score(shown, region):
    values = np.array(region, np.float64)
    return ObjectScore(1, values, values, shown=np.array(shown, bool))


def test_periods_begin_where_an_object_comes_or_goes():
    found = [(one.start, one.stop, one.in_view) for one in periods(np.array([1, 1, 0, 1], bool))]
    assert found == [(0, 2, True), (2, 3, False), (3, 4, True)]
    assert list(periods(np.zeros(0, bool))) == []


@pytest.mark.parametrize(
    ("shown", "region", "gone", "back"),
    [
        # gone for frames 1 and 2, back for 3, gone for 4, back for 5 and 6
        ([1, 0, 0, 1, 0, 1, 1], [1, 1, 0, 0.4, 1, 0.5, 0.7], (0.5 + 1) / 2, (0.4 + 0.6) / 2),
        # what it is in the first frame is no change, but its coming back is one
        ([0, 0, 1], [1, 1, 0.25], math.nan, 0.25),
        ([1, 1], [1, 1], math.nan, math.nan),
    ],
)
def test_a_measure_after_an_object_has_gone_and_come_back(shown, region, gone, back):
    one = score(shown, region)
    assert after_change(one, one.region, in_view=False) == pytest.approx(gone, nan_ok=True)
    assert after_change(one, one.region, in_view=True) == pytest.approx(back, nan_ok=True)


def test_the_last_quarter_is_rounded_as_vost_does():
    assert last_quarter(np.array([0, 0, 0, 0, 1.0])) == 0.5  # floor(0.75 * 5) = 3
    assert last_quarter(np.array([0, 0, 0, 1.0])) == 1


def test_what_does_not_exist_does_not_count():
    assert mean([1, math.nan, 0]) == 0.5
    assert math.isnan(mean([math.nan]))
    assert variation(score([1, 1, 1], [0, math.nan, 1])) == 0.5
    assert math.isnan(variation(score([1], [math.nan])))
