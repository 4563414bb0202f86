import numpy as np
import pytest

from persam_video.errors import AnnotationError
from persam_video.masks import boxes_of_labels
from persam_video.prompting import ObjectPrompts, annotate
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
        mine, wanted = annotation.mask(object_id), truth == object_id
        assert (mine & wanted).sum() / (mine | wanted).sum() > 0.7


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
    with pytest.raises(AnnotationError, match="outside of the frame"):
        annotate(model, rgb, [ObjectPrompts(1, points=((9999, 0),))])


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
