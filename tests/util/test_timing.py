import time

import pytest

from persam_video.util.timing import StageClock


def test_inner_stages_count_once():
    clock, begun = StageClock(), time.perf_counter()
    with clock.stage("outer"):
        time.sleep(0.01)
        with clock.stage("inner"):
            time.sleep(0.03)
        with clock.stage("inner"):
            time.sleep(0.03)
    whole = time.perf_counter() - begun
    assert list(clock.seconds) == ["inner", "outer"]
    assert clock.seconds["inner"] >= 0.06
    assert 0.01 <= clock.seconds["outer"] <= whole - clock.seconds["inner"]


def test_a_stage_that_fails_counts_and_leaves_the_clock_in_order():
    clock = StageClock()
    with clock.stage("outer"):
        with pytest.raises(ZeroDivisionError), clock.stage("inner"):
            1 / 0  # noqa: B018
        with clock.stage("inner"):
            pass
    assert set(clock.seconds) == {"inner", "outer"}
    assert all(seconds >= 0 for seconds in clock.seconds.values())


def test_a_clock_counts_whatever_grows():
    readings = iter([0, 3, 10, 11])
    clock = StageClock(lambda: next(readings))
    with clock.stage("outer"), clock.stage("inner"):
        pass
    assert clock.seconds == {"inner": 7, "outer": 4}
