"""Frames and masks of many kinds: what is clear is taken, what is not is refused in one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from persam_video.config import load_settings
from persam_video.errors import AnnotationError, SourceError
from persam_video.sam import load_sam
from persam_video.tracking import Tracker
from persam_video.video import Frame

SIZE = (64, 96)


@pytest.fixture(scope="module")
def model():
    return load_sam("lite", device="cpu", precision="fp32", image_size=256)


@pytest.fixture
def tracker(model):
    return Tracker(model, load_settings("persam"))


def frame(at: int) -> np.ndarray:
    rgb = np.full((*SIZE, 3), 70, np.uint8)
    rgb[20:44, 10 + at : 34 + at] = (230, 40, 30)
    return rgb


MASK = np.zeros(SIZE, bool)
MASK[20:44, 10:34] = True


def tracked(tracker: Tracker, first, mask) -> np.ndarray:
    """Give the labels of a frame after the one in which an object was added."""
    tracker.step(first)
    tracker.add_object(2, mask)
    return tracker.step(frame(4)).labels


@pytest.mark.parametrize(
    "mask",
    [
        MASK.astype(np.uint8),
        MASK.astype(np.int64),
        MASK * np.uint8(255),
        Image.fromarray(MASK),
        Image.fromarray(MASK * np.uint8(255)),
        torch.from_numpy(MASK),
        torch.from_numpy(MASK.astype(np.uint8)),
    ],
    ids=["0/1", "int64", "0/255", "1-bit image", "grey image", "bool", "uint8"],
)
def test_masks_that_are_clear(model, mask):
    settings = load_settings("persam")
    expected = tracked(Tracker(model, settings), frame(0), MASK)
    assert (expected == 2).any()
    assert np.array_equal(tracked(Tracker(model, settings), frame(0), mask), expected)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.where(MASK, 8.0, -8.0).astype(np.float32), r"float32.*\(64, 96\).*mask > 0"),
        (MASK.astype(np.float64), "float64.*mask > 0.5"),
        (np.where(MASK, np.nan, 0), "not finite"),
        (torch.where(torch.from_numpy(MASK), 8.0, -8.0), "float32"),
        (np.where(MASK, 1, -1), "values from -1 to 1"),
        (np.where(MASK, 3, 2), "values 2, 3"),
        (np.where(MASK, 3, 0), "values 0, 3.*mask == 3"),
        (np.zeros(SIZE, bool), "is empty"),
        (MASK[:32], "96x32 pixels where the frame is 96x64"),
        (np.stack([MASK] * 3, axis=2), r"bool.*\(64, 96, 3\)"),
        (np.where(MASK, "a", "b"), "<U1"),
    ],
)
@pytest.mark.parametrize("act", ["add_object", "correct"])
def test_masks_that_are_not(tracker, mask, says, act):
    tracker.step(frame(0))
    if act == "correct":
        tracker.add_object(2, MASK)
    with pytest.raises(AnnotationError, match=says) as caught:
        getattr(tracker, act)(2, mask)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("object_id", [0, 255, -1, 2.5, "2", None])
def test_ids_that_are_none(tracker, object_id):
    tracker.step(frame(0))
    with pytest.raises(AnnotationError, match="1 to 254"):
        tracker.add_object(object_id, MASK)


@pytest.mark.parametrize(
    "given",
    [
        Image.fromarray(frame(0)),
        torch.from_numpy(frame(0)),
        torch.from_numpy(frame(0)).permute(2, 0, 1),
        Frame(0, Image.fromarray(frame(0)), 0.0),
    ],
    ids=["PIL", "HWC tensor", "CHW tensor", "PIL in a frame"],
)
def test_frames_that_are_clear(model, given):
    expected = tracked(Tracker(model), frame(0), MASK)
    assert np.array_equal(tracked(Tracker(model), given, MASK), expected)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (frame(0) / np.float32(255), "float32 of shape"),
        (frame(0).astype(np.uint16), "uint16 of shape"),
        (frame(0)[..., 0], r"uint8 of shape \(64, 96\)"),
        (np.dstack([frame(0), frame(0)[..., :1]]), r"uint8 of shape \(64, 96, 4\)"),
        (Frame(3, frame(0)[..., 0], 0.0), r"frame 3 is uint8 of shape \(64, 96\)"),
        ([1, 2], "of type list"),
        (None, "of type NoneType"),
    ],
)
def test_frames_that_are_not(tracker, given, says):
    with pytest.raises(SourceError, match=says) as caught:
        tracker.step(given)
    assert "uint8 RGB" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda rgb: rgb, lambda rgb: Frame(0, rgb, 0.0)])
def test_a_buffer_may_be_used_again(model, wrap):
    expected = tracked(Tracker(model), frame(0), MASK)
    tracker, buffer, mask = Tracker(model), frame(0), MASK.copy()
    tracker.step(wrap(buffer))
    buffer[:] = 0
    tracker.add_object(2, mask)
    mask[:] = True
    assert np.array_equal(tracker.step(frame(4)).labels, expected)


def test_what_is_returned_is_the_caller_s(model):
    expected = tracked(Tracker(model), frame(0), MASK)
    tracker = Tracker(model)
    tracker.step(frame(0))
    tracker.add_object(2, MASK).labels[:] = 9
    tracker.state().objects[0].velocity[:] = 50
    result = tracker.step(frame(4))
    assert np.array_equal(result.labels, expected)
    result.labels[:] = 9
    assert set(np.unique(tracker.correct(2, MASK).labels)) == {0, 2}


def test_an_image_as_annotation(model):
    labels = MASK.astype(np.uint8)
    expected = Tracker(model).step(frame(0), labels).labels
    for given in (Image.fromarray(labels), torch.from_numpy(labels), MASK):
        assert np.array_equal(Tracker(model).step(frame(0), given).labels, expected)


@pytest.mark.parametrize("preset", ["persam", "persam_f"])
def test_what_the_caller_set_for_torch_changes_nothing(preset):
    settings = load_settings(preset, {"weights.steps": 20, "prior.motion": 0.5})

    def run() -> list[np.ndarray]:
        # loaded anew, and of a size of its own: what is computed once is computed here
        model = load_sam("lite", device="cpu", precision="fp32", image_size=224)
        tracker = Tracker(model, settings)
        labels = [tracker.step(frame(0), MASK).labels]
        return [*labels, *(tracker.step(frame(3 * n)).labels for n in range(1, 4))]

    expected = run()
    assert expected[-1].any()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = run()
    torch.set_default_dtype(torch.float64)
    try:
        in_double = run()
    finally:
        torch.set_default_dtype(torch.float32)
    for ours, autocast, double in zip(expected, under_autocast, in_double, strict=True):
        assert np.array_equal(ours, autocast)
        assert np.array_equal(ours, double)
