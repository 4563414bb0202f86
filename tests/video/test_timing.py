from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.video.timing import FrameClock
from persam_video.video.writer import FrameTimer


@pytest.mark.parametrize(
    ("timestamps", "times", "repaired"),
    [
        ([0, 40, 80], [0, 0.04, 0.08], 0),
        ([-80, -40, 0], [0, 0.04, 0.08], 0),
        ([9000, 9500, 9510], [0, 0.5, 0.51], 0),
        ([None, None, None], [0, 0.04, 0.08], 0),
        ([None, 500, 550], [0, 0.04, 0.09], 0),
        ([0, None, 100], [0, 0.04, 0.1], 0),
        ([0, 100, 100, 150], [0, 0.1, 0.14, 0.15], 1),
        ([0, 100, 20, 150], [0, 0.1, 0.14, 0.15], 1),
    ],
)
def test_times_start_at_0_and_grow(timestamps, times, repaired) -> None:
    clock = FrameClock(Fraction(1, 1000), Fraction(25))
    assert [clock.time_of(timestamp) for timestamp in timestamps] == pytest.approx(times)
    assert clock.repaired == repaired


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=30))
def test_times_always_grow(timestamps: list[int | None]) -> None:
    clock = FrameClock(Fraction(1, 90000), None)
    times = [clock.time_of(timestamp) for timestamp in timestamps]
    assert times[0] == 0
    assert all(later > earlier for earlier, later in pairwise(times))


rates = st.sampled_from([Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(7)])


@given(fps=rates, count=st.integers(1, 50), first=st.integers(0, 1000))
def test_a_constant_rate_stays_exact_after_rounding_to_milliseconds(
    fps: Fraction, count: int, first: int
) -> None:
    timer = FrameTimer(fps)
    timestamps = [timer.timestamp(float(round((first + n) / fps, 3))) for n in range(count)]
    assert [stamp * timer.unit for stamp in timestamps] == [n / fps for n in range(count)]
    untimed = FrameTimer(fps)
    assert [untimed.timestamp(None) * untimed.unit for _ in range(count)] == [
        n / fps for n in range(count)
    ]


@given(fps=rates, gaps=st.lists(st.floats(0.002, 10), min_size=1, max_size=30))
def test_other_times_are_kept_and_grow(fps: Fraction, gaps: list[float]) -> None:
    timer = FrameTimer(fps)
    time, times = 3.0, [3.0]
    for gap in gaps:
        time += gap
        times.append(time)
    timestamps = [timer.timestamp(time) for time in times]
    assert timestamps[0] == 0
    for timestamp, time in zip(timestamps, times, strict=True):
        assert float(timestamp * timer.unit) == pytest.approx(time - 3.0, abs=0.0011)
    assert all(a < b for a, b in pairwise(timestamps))


def test_equal_times_are_pulled_apart() -> None:
    timer = FrameTimer(Fraction(25))
    assert [timer.timestamp(time) for time in (0.0, 0.0, 0.0, 0.04)] == [0, 1, 2, 3600]
