import cv2
import numpy as np
import pytest
import torch

from eval.common import iou
from persam_video.errors import AnnotationError
from persam_video.masks import boxes_of_labels, keep_nearest
from persam_video.prompting import ObjectPrompts, Percent, annotate, prompt_warnings
from persam_video.sam import load_sam
from persam_video.synthetic import demo


@pytest.fixture(scope="module")
def model():
    return load_sam("lite", device="cpu", precision="fp32", image_size=512)


@pytest.fixture(scope="module")
def picture():
    """The first frame of the demonstration, with its truth."""
    return next(iter(demo().frames()))


def boxes(labels, ids):
    found = boxes_of_labels(labels, ids)
    return [ObjectPrompts(i, tuple(map(float, found[i]))) for i in ids]


def test_boxes_give_the_objects_in_them(model, picture):
    rgb, truth = picture
    annotation = annotate(model, rgb, boxes(truth, [1, 2]))
    assert annotation.object_ids == (1, 2)
    for object_id in (1, 2):
        assert iou(annotation.mask(object_id), truth == object_id) > 0.7


def test_a_small_object_is_looked_at_by_itself(model, picture):
    rgb, truth = picture
    height, width = truth.shape
    shown = cv2.GaussianBlur(cv2.resize(rgb, (2 * width, 3 * height)), (0, 0), 25)
    labels = np.zeros(shown.shape[:2], np.uint8)
    place = np.s_[500 : 500 + height // 4, 700 : 700 + width // 4]
    size = (width // 4, height // 4)
    shown[place] = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    labels[place] = cv2.resize(truth, size, interpolation=cv2.INTER_NEAREST)
    mask = annotate(model, shown, boxes(labels, [3])).mask(3)
    # 0.68 where the model sees no more than the whole frame
    assert iou(mask, labels == 3) > 0.85


def test_nothing_lies_outside_of_a_box(model, picture):
    rgb, _ = picture
    annotation = annotate(model, rgb, [ObjectPrompts(9, (60.0, 60.0, 150.0, 120.0))])
    ys, xs = np.nonzero(annotation.mask(9))
    assert xs.min() >= 60
    assert xs.max() < 150
    assert ys.min() >= 60
    assert ys.max() < 120


def test_the_same_prompts_give_the_same_mask(model, picture):
    rgb, truth = picture
    first, second = (annotate(model, rgb, boxes(truth, [3])).labels for _ in range(2))
    assert np.array_equal(first, second)


def test_points_mean_the_parts_that_they_are_on(model, picture):
    """A look-alike elsewhere, such as the other koi, is not part of what was clicked."""
    rgb, truth = picture
    clicks = [tuple(map(float, np.argwhere(truth == i).mean(0)[::-1])) for i in (1, 2)]
    for points in (clicks[:1], clicks):
        mask = annotate(model, rgb, [ObjectPrompts(4, points=tuple(points))]).mask(4)
        count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        nearest = keep_nearest(mask, *points)
        assert (nearest == mask).all()
        assert count - 1 <= len(points)
        assert parts.any()


def test_a_correction_keeps_the_other_parts_of_the_mask(model, picture):
    rgb, truth = picture
    first, second = (truth == 1), (truth == 3)
    y, x = np.argwhere(second).mean(0)
    asked = [ObjectPrompts(4, points=((float(x), float(y)),))]
    corrected = annotate(model, rgb, asked, previous=first | second).mask(4)
    assert (corrected & first).any()
    assert (corrected & second).any()


def test_a_point_gives_an_object_around_it(model, picture):
    rgb, truth = picture
    ys, xs = np.nonzero(truth == 2)
    point = (float(xs.mean()), float(ys.mean()))
    annotation = annotate(model, rgb, [ObjectPrompts(4, points=(point,), background=((2, 2),))])
    assert annotation.object_ids == (4,)
    assert annotation.labels[int(point[1]), int(point[0])] == 4


def test_a_whole_frame_is_a_box_too(model, picture):
    rgb, _ = picture
    small = np.ascontiguousarray(rgb[:90, :160])
    assert annotate(model, small, [ObjectPrompts(1, (0, 0, 160, 90))]).object_ids == (1,)


def test_prompts_are_needed_and_must_fit(model, picture):
    rgb, _ = picture
    with pytest.raises(AnnotationError, match="give a box or a point"):
        annotate(model, rgb, [])
    with pytest.raises(AnnotationError, match="outside the frame"):
        annotate(model, rgb, [ObjectPrompts(1, points=((9999, 0),))])


def test_answers_that_a_model_thinks_nothing_of_give_a_mask_too(picture):
    rgb, truth = picture
    doubting = load_sam("lite", device="cpu", precision="fp32", image_size=256)
    with torch.no_grad():
        doubting.network.mask_decoder.iou_prediction_head.layers[-1].bias -= 5
    mask = annotate(doubting, rgb, boxes(truth, [1])).mask(1)
    assert iou(mask, truth == 1) > 0.4


def test_plain_sams_refine_their_best_mask(picture):
    """A SAM without a memory is asked twice, the second time with its own logits."""
    rgb, _ = picture

    class Watched(type(load_sam("lite", device="cpu", image_size=256))):
        readout = None
        asked = ()

        def decode(self, embedding, prompts):
            self.asked = (*self.asked, prompts)
            return super().decode(embedding, prompts)

    sam = load_sam("lite", device="cpu", precision="fp32", image_size=256)
    sam.__class__ = Watched
    annotate(sam, rgb, [ObjectPrompts(1, (200, 100, 400, 300), ((300, 200),))])
    first, second = sam.asked
    assert first.masks is None
    assert second.masks.shape[:2] == (1, 1)
    assert first.matching is None
    assert second.boxes.tolist() == [[200, 100, 400, 300]]
    assert second.point_labels.tolist() == [[1]]


@pytest.mark.parametrize(
    "box",
    [(100.0, 100.0, 101.0, 101.0), (100.2, 100.2, 101.0, 140.7), (0.0, 0.0, 640.0, 2.0)],
    ids=["one pixel", "one column", "a line"],
)
def test_the_smallest_boxes_give_a_mask_or_one_line(model, picture, box):
    rgb, _ = picture
    try:
        annotation = annotate(model, np.ascontiguousarray(rgb[:, :640]), [ObjectPrompts(1, box)])
    except AnnotationError as error:
        assert "\n" not in str(error)
    else:
        assert annotation.mask(1).any()


def test_a_box_in_percent_is_that_in_pixels(model, picture):
    rgb, _ = picture
    height, width = rgb.shape[:2]
    in_percent = ObjectPrompts(1, tuple(Percent(value) for value in (25, 25, 75, 75)))
    in_pixels = ObjectPrompts(1, (width / 4, height / 4, 3 * width / 4, 3 * height / 4))
    first, second = (annotate(model, rgb, [prompt]).labels for prompt in (in_percent, in_pixels))
    assert np.array_equal(first, second)


def test_points_alone_are_warned_of(model):
    with_box, alone = ObjectPrompts(1, (5, 5, 9, 9), ((6, 6),)), ObjectPrompts(2, points=((6, 6),))
    (warning,) = prompt_warnings(model, [with_box, alone])
    assert "object 2 is named by points alone" in warning
