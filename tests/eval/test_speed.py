"""The parts of eval/benchmark.py and eval/scaling.py that do not take time."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

EVAL = Path(__file__).parents[2] / "eval"
sys.path.insert(0, str(EVAL))  # as for the scripts themselves

from scaling import Curve, Point, plot  # noqa: E402
from speed.scenes import balls  # noqa: E402
from speed.timing import Comparison  # noqa: E402


def test_sides_run_in_turns_and_the_ratio_is_theirs_by_ours():
    order = []

    def side(name: str, seconds: float):
        def work() -> float:
            order.append(name)
            return seconds

        return work

    compared = Comparison("name", "aim", "work", side("ours", 100.0), side("theirs", 300.0))
    result = compared.run(repeats=3)
    assert order == ["ours", "theirs"] * 4  # one of them to warm up
    assert len(result.ours.wall) == len(result.theirs.processor) == 3
    assert result.ratio == pytest.approx(3, rel=0.01)
    assert result.processor_ratio == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_every_ball_is_seen_and_moves(count):
    scene = balls(count, 3, (320, 180))
    assert set(np.unique(scene.labels)) == {0, *range(1, count + 1)}
    assert len(scene.frames) == 3
    assert scene.labels.shape == scene.frames[0].shape[:2] == (180, 320)
    assert not np.array_equal(scene.frames[0], scene.frames[2])


def test_the_plot_shows_every_point_of_every_curve():
    points = (Point("one", 1, (0.1,), 1.0), Point("two", 2, (0.3,), 3.0))
    drawn = ElementTree.fromstring(plot([Curve("objects", points), Curve("size", points)]))
    tag = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f"{tag}circle")) == 4
    assert len(drawn.findall(f"{tag}polyline")) == 2
    said = [each.text for each in drawn.iter(f"{tag}text")]
    assert said.count("two") == 2
    assert said.count("3.0×") == 2
