import math

import numpy as np
import pytest

from persam_video.davis.scores import ObjectScore, SequenceScore
from persam_video.report.charts import curve, frame_means, object_charts

NAN = math.nan


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 0.5], ["25.00,0.00 75.00,50.00"]),
        ([NAN, 0.0, 1.0, NAN], ["37.50,100.00 62.50,0.00"]),
        ([1.0, NAN, 0.0], ["16.67,0.00 16.67,0.00", "83.33,100.00 83.33,100.00"]),
        ([0.25], ["50.00,75.00 50.00,75.00"]),
        ([NAN, NAN], []),
        ([], []),
    ],
)
def test_a_curve_is_interrupted_where_there_is_no_value(values, expected):
    assert list(curve(values)) == expected


def sequence(*objects, frames=None):
    frames = frames or [f"{i:05d}" for i in range(len(objects[0][0]))]
    scores = [
        ObjectScore(
            number,
            np.array(region),
            np.array(contour),
            shown=np.ones(len(region), bool),
            predicted=np.array(region) > 0,
        )
        for number, (region, contour) in enumerate(objects, start=1)
    ]
    return SequenceScore("dog", tuple(frames), tuple(scores))


def test_the_mean_of_a_frame_is_over_the_objects_that_count():
    found = frame_means(
        sequence(([0.2, 0.4, NAN], [0.4, 0.6, NAN]), ([NAN, 1, NAN], [NAN, 1, NAN]))
    )
    assert found == pytest.approx([0.3, 0.75, NAN], nan_ok=True)
    assert np.isnan(frame_means(SequenceScore("dog", ("a", "b"), ()))).all()


def test_a_chart_has_curves_lost_periods_frames_and_ticks():
    first, second = object_charts(
        sequence(([1, 0, 0, 1], [1, 0, 0, 0.5]), ([NAN] * 2 + [1] * 2,) * 2)
    )
    assert first.region == ("12.50,0.00 37.50,100.00 62.50,100.00 87.50,0.00",)
    assert [(band.left, band.width) for band in first.lost] == [(25, 50)]
    assert [band.text for band in first.frames][3] == "00003: J 1.000, F 0.500"
    assert [(tick.left, tick.text) for tick in first.ticks] == [
        (12.5, "00000"), (37.5, "00001"), (87.5, "00003"),
    ]  # fmt: skip
    assert [band.left for band in second.frames] == [50, 75]
    assert second.lost == ()


def test_very_many_frames_are_not_pointed_at_one_by_one():
    (chart,) = object_charts(sequence(([0.5] * 2000, [0.5] * 2000)))
    assert chart.frames == ()
    assert len(chart.region[0].split()) == 2000
