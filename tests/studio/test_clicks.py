import cv2
import numpy as np
import pytest

from eval.common import iou
from persam_video.sam import load_sam
from persam_video.studio.clicks import ClickAnswerer
from persam_video.studio.gestures import Click
from persam_video.synthetic import demo
from persam_video.video import Frame


@pytest.fixture(scope="module")
def model():
    return load_sam("lite", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def picture():
    rgb, truth = next(iter(demo().frames()))
    return Frame(0, rgb, 0.0), truth == 2


def middle(mask):
    """The pixel of a mask that is farthest from its border, (x, y)."""
    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return x - 0.5, y - 0.5


def test_a_click_on_the_rim_does_not_take_the_object_away(model, picture):
    """By itself, the point is on the object: its mask would be all of it."""
    frame, truth = picture
    answerer, first = ClickAnswerer(), Click(*middle(truth))
    mask = answerer.answer(model, frame, 1, [first], None)
    assert iou(mask, truth) > 0.7
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    rim = np.argwhere((depth >= 4) & (depth < 5))
    for y, x in rim[:: len(rim) // 3]:
        click = Click(x + 0.5, y + 0.5, positive=False)
        left = answerer.answer(model, frame, 1, [first, click], mask)
        assert not left[y, x]
        assert np.count_nonzero(left & mask) > 0.7 * np.count_nonzero(mask)


def test_a_click_counts_even_where_the_model_does_not_follow_it(model, picture):
    frame, truth = picture
    far = next((x, y) for y, x in np.argwhere(~truth) if x < 5 and y < 5)
    marks = [Click(*middle(truth)), Click(far[0] + 0.5, far[1] + 0.5)]
    answerer = ClickAnswerer()
    mask = answerer.answer(model, frame, 1, marks[:1], None)
    assert not mask[far[1], far[0]]
    after = answerer.answer(model, frame, 1, marks, mask)
    assert after[far[1], far[0]]
    assert iou(after & ~mask, mask) < 1
