import numpy as np
import pytest

from persam_video.report.findings import ObjectFacts
from persam_video.report.plots import lost_bands, object_plots, speeds

SEEN = ObjectFacts(lost=False, score=0.5, area=300, box=(0, 0, 10, 10), likeness=0.75)
LOST = ObjectFacts(lost=True, score=0.1, area=0)


def test_each_measure_is_drawn_on_a_round_axis_and_interrupted_while_lost():
    facts = [None, SEEN, LOST, SEEN._replace(area=150)]
    area, score, speed, likeness = object_plots(facts, range(4))
    assert (area.top, area.curve) == ("300", ("37.50,0.00 37.50,0.00", "87.50,50.00 87.50,50.00"))
    assert score.curve == ("37.50,50.00 62.50,90.00 87.50,50.00",)
    assert speed.curve == ()
    assert likeness.curve == ("37.50,25.00 37.50,25.00", "87.50,25.00 87.50,25.00")


def test_likeness_is_not_drawn_where_it_is_not_known():
    assert len(object_plots([SEEN._replace(likeness=None)] * 3, range(3))) == 3


def test_speed_is_per_frame_of_the_source():
    moved = SEEN._replace(box=(6, 8, 16, 18))
    assert speeds([SEEN, moved, LOST, moved], [0, 5, 10, 15]) == pytest.approx(
        [np.nan, 2, np.nan, np.nan], nan_ok=True
    )


def test_the_points_of_a_long_run_are_thinned_and_a_spike_stays():
    facts = [SEEN] * 5000
    facts[2345] = SEEN._replace(score=1.0)
    points = object_plots(facts, range(5000))[1].curve[0].split()
    assert len(points) == 800
    assert [point for point in points if point.endswith(",0.00")] != []


def test_lost_periods_have_their_frames_and_their_place():
    first, second = lost_bands([LOST, SEEN, LOST, LOST], [0, 2, 4, 6])
    assert (first.first, first.last, first.band.left, first.band.width) == (0, 0, 0, 25)
    assert (second.first, second.last, second.count, second.band.left) == (4, 6, 2, 50)
