import numpy as np
import pytest

from eval.common import iou
from persam_video.prompting.colours import cut_out
from persam_video.prompting.prompts import PixelPrompts

HEIGHT, WIDTH = 120, 160


def prompts(points=(), background=()):
    return PixelPrompts(1, None, tuple(points), tuple(background))


def scene(scale=1):
    """A reddish rectangle on greenish ground, and where it is."""
    truth = np.zeros((HEIGHT * scale, WIDTH * scale), np.bool_)
    truth[30 * scale : 90 * scale, 40 * scale : 120 * scale] = True
    rng = np.random.default_rng(1)
    rgb = rng.normal([60, 120, 60], 12, (*truth.shape, 3))
    rgb[truth] = rng.normal([170, 60, 50], 12, (np.count_nonzero(truth), 3))
    return np.clip(rgb, 0, 255).astype(np.uint8), truth


def blurred(truth, unsure):
    """What a network would say that is unsure of the columns from ``unsure`` on."""
    probability = np.where(truth, 0.95, 0.05).astype(np.float32)
    probability[:, unsure:] = 0.45
    return probability


@pytest.mark.parametrize("scale", [1, 12], ids=["small", "larger than what is cut"])
def test_colours_decide_where_the_network_is_unsure(scale):
    rgb, truth = scene(scale)
    said = blurred(truth, 90 * scale)
    box = tuple(scale * side for side in (40, 30, 120, 90))
    assert iou(said > 0.5, truth) < 0.7
    assert iou(cut_out(rgb, said, box, prompts()), truth) > 0.97


def test_what_is_sure_stays():
    rgb, truth = scene()
    shifted = np.roll(truth, 12, axis=1)
    said = np.where(shifted, 0.999, 0.001).astype(np.float32)
    assert iou(cut_out(rgb, said, (52, 30, 132, 90), prompts()), shifted) > 0.85


def test_clicks_are_obeyed():
    rgb, truth = scene()
    said = blurred(truth, 90)
    cut = cut_out(rgb, said, (40, 30, 120, 90), prompts([(130, 60)], [(80, 60)]))
    assert cut[60, 130]
    assert not cut[60, 80]


def test_the_same_picture_is_cut_in_the_same_way():
    rgb, truth = scene()
    rng = np.random.default_rng(2)
    said = np.clip(blurred(truth, 90) + rng.normal(0, 0.2, truth.shape), 0, 1).astype(np.float32)
    first, second = (cut_out(rgb, said, (40, 30, 120, 90), prompts()) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("box", [(0, 0, WIDTH, HEIGHT), (5, 5, 6, 6), (0, 0, WIDTH, 1)])
def test_nothing_and_everything_stay_as_they_are(value, box):
    rgb, truth = scene()
    said = np.full(truth.shape, value, np.float32)
    assert (cut_out(rgb, said, box, prompts()) == (value > 0.5)).all()
