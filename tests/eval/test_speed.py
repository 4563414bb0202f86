"""The parts of eval.benchmark and eval.scaling that do not take time."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import common
from eval.speed.cost import Cost, Load, Point, fit
from eval.speed.peers import Cutie
from eval.speed.runs import film
from eval.speed.scenes import balls
from eval.speed.timing import Comparison, Spent
from persam_video.errors import ConfigError
from persam_video.masks.png import read_label_png
from persam_video.video import FrameStream


def test_sides_run_in_turns_and_the_ratio_is_theirs_by_ours():
    order = []

    def side(name: str, seconds: float):
        def work() -> Spent:
            order.append(name)
            return Spent(seconds, 2 * seconds)

        return work

    compared = Comparison("name", "aim", "work", side("ours", 100.0), side("theirs", 300.0))
    result = compared.run(repeats=3)
    assert order == ["ours", "theirs"] * 4  # one of them to warm up
    assert len(result.ours) == len(result.theirs) == 3
    assert result.ratio == pytest.approx(3, rel=0.01)
    assert result.processor_ratio == pytest.approx(3, rel=0.01)
    assert result.ours[0].processor == pytest.approx(200, rel=0.01)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_every_ball_is_seen_and_moves(count):
    scene = balls(count, 3, (320, 180))
    assert set(np.unique(scene.labels)) == {0, *range(1, count + 1)}
    assert len(scene.frames) == 3
    assert scene.labels.shape == scene.frames[0].shape[:2] == (180, 320)
    assert not np.array_equal(scene.frames[0], scene.frames[2])


def test_small_balls_are_all_seen():
    scene = balls(32, 1, (854, 480), across=0.125)
    assert set(np.unique(scene.labels)) == set(range(33))


def test_the_chart_shows_every_curve_and_is_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    panels = [
        common.Panel("objects", ["one", "two"], [0.1, 0.3], [0.1, 0.2]),
        common.Panel("frames", [0, 100, 200], [1.0, 2.0, 3.0]),
    ]
    for name in ("a.svg", "b.svg"):
        common.draw(tmp_path / name, panels, "below")
    drawn = (tmp_path / "a.svg").read_text()
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    for text in ("objects", "frames", "below", "one", "two", "0.3"):
        assert f"<!-- {text} -->" in drawn
    assert (tmp_path / "b.svg").read_text() == drawn


costs = st.floats(0, 2) | st.just(0.0)


@given(st.builds(Cost, st.floats(0.01, 2), costs, costs, costs, costs))
def test_a_model_is_found_again_from_what_it_says(cost):
    loads = [Load(n, p, k) for n in (1, 4, 16) for p in (0.1, 2.0) for k in (0.6, 2.4)]
    found = fit([Point("", load, cost.seconds(load)) for load in loads])
    assert found.error < 1e-6
    for load in loads:
        assert found.seconds(load) == pytest.approx(cost.seconds(load), rel=1e-4)


def test_a_film_is_there_while_it_is_needed():
    with film(3, (64, 48)) as made:
        assert FrameStream(made.video).info.frame_count == 3
        assert read_label_png(made.mask).shape == (48, 64)
        assert not made.out.exists()
    assert not made.video.exists()


def test_a_checkout_of_cutie_has_its_settings(tmp_path):
    with pytest.raises(ConfigError, match="is no checkout of Cutie"):
        Cutie(tmp_path)
