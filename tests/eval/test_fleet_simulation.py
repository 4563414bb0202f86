from dataclasses import replace

import pytest

from eval.fleet_simulation import Assumed, Measured, simulate

FREE = Measured(head_seconds=0.0, start_seconds=0.0)
ALIKE = Assumed(
    videos=100,
    frames=300.0,
    spread=0.0,
    fps=30.0,
    source_bytes=0.0,
    result_bytes=0.0,
    hours_between_failures=1e9,
)


def test_without_losses_the_work_is_divided():
    found = simulate(10, ALIKE, FREE)
    assert found.hours * 3600 == pytest.approx(100 * 10 / 10)
    assert (found.efficiency, found.failures) == (pytest.approx(1.0), 0)


def test_a_busy_command_and_a_narrow_storage_are_seen():
    assert simulate(10, ALIKE, Measured(5.0, 0.0)).hours * 3600 == pytest.approx(510)
    narrow = replace(ALIKE, source_bytes=1e6, storage_bytes=10e6)
    assert simulate(10, narrow, FREE).hours * 3600 == pytest.approx(100 * 310 / 10)


def test_failures_cost_time_and_a_video_is_given_up_after_its_retries():
    failing = replace(ALIKE, hours_between_failures=10 / 3600)
    found = simulate(10, failing, FREE)
    assert found.failures > found.given_up > 0
    assert found.efficiency < 0.5
    assert simulate(10, replace(failing, retries=1000), FREE).given_up == 0


def test_the_largest_first_leaves_less_to_wait_for():
    spread = replace(ALIKE, videos=500, spread=1.5)
    first, listed = (simulate(50, spread, FREE, largest_first=way) for way in (True, False))
    assert first.hours < listed.hours
