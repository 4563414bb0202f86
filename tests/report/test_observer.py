import numpy as np
import pytest

from persam_video.report.observer import Observer
from persam_video.results import FrameResult

SHAPE = (96, 128)
RNG = np.random.default_rng(3)
GROUND = RNG.integers(40, 90, (*SHAPE, 3), dtype=np.uint8)
RED = RNG.integers(0, 60, (32, 24, 3), dtype=np.uint8) + np.array((180, 0, 0), np.uint8)
BLUE = RNG.integers(0, 60, (32, 24, 3), dtype=np.uint8) + np.array((0, 0, 180), np.uint8)


def scene(shift):
    """Two textured things side by side that walk to the right together, and their labels."""
    rgb, labels = GROUND.copy(), np.zeros(SHAPE, np.uint8)
    for object_id, look, left in ((1, RED, 20), (2, BLUE, 44)):
        place = slice(30, 62), slice(left + shift, left + 24 + shift)
        rgb[place], labels[place] = look, object_id
    return rgb, labels


def see(observer, rgb, labels, index):
    return observer.see(FrameResult.from_labels(index, 0.0, labels, [1, 2]), rgb)


def test_what_walks_together_passes_nothing_on():
    observer = Observer()
    for index in range(6):
        facts = see(observer, *scene(3 * index), index)
    assert facts[1].likeness == pytest.approx(1)
    assert sum(facts[1].passed.values()) < 0.05
    assert facts[1].box == (35, 30, 59, 62)


def test_a_part_that_another_object_takes_is_measured():
    observer = Observer()
    see(observer, *scene(0), 0)
    rgb, labels = scene(3)
    labels[30:46, 23:47] = 2  # the upper half of object 1
    facts = see(observer, rgb, labels, 1)
    assert facts[1].passed[2] == pytest.approx(0.5, abs=0.06)
    assert facts[2].passed.get(1, 0) < 0.05
    assert facts[2].likeness < 0.9


def test_objects_that_exchange_their_names_are_unlike_themselves():
    observer = Observer()
    see(observer, *scene(0), 0)
    rgb, labels = scene(2)
    facts = see(observer, rgb, np.array([0, 2, 1], np.uint8)[labels], 1)
    assert facts[1].likeness < 0.2
    assert facts[1].passed[2] > 0.8


def test_without_the_frame_only_the_masks_are_measured():
    _, labels = scene(0)
    facts = see(Observer(), None, labels, 0)
    assert (facts[2].area, facts[2].likeness, facts[2].passed) == (32 * 24, None, {})
