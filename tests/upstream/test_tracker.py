"""The procedure ``upstream``: the scripts' own masks and calls, and its faults one by one."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from persam_video.config import Settings, load_settings
from persam_video.errors import AnnotationError, ConfigError, SourceError
from persam_video.masks import read_annotation, read_label_png
from persam_video.results import ObjectState
from persam_video.run.tracker_factory import make_tracker
from persam_video.sam.model import ImageEmbedding, ModelInfo, SamModel
from persam_video.sam.network import Sam
from persam_video.sam.prompts import MaskPrediction
from persam_video.sam.transform import InputTransform
from persam_video.tracking.tracker import Tracker
from persam_video.upstream.tracker import UpstreamTracker, first_prompts

# --- parity -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "script"), [("upstream", "persam_video"), ("upstream_f", "persam_video_f")]
)
def test_parity_with_the_video_scripts(shared_data, nano_sam, preset, script):
    parity = shared_data / "parity"
    clip = parity / "davis" / "JPEGImages" / "480p" / "clip"
    annotation = read_annotation(parity / "davis" / "Annotations" / "480p" / "clip" / "00000.png")
    tracker = make_tracker(nano_sam, load_settings(preset))
    for number in range(5):
        image = np.asarray(Image.open(clip / f"{number:05d}.jpg").convert("RGB"))
        result = tracker.step(image, annotation if number == 0 else None)
        if number == 0:
            nano_sam.calls.clear()  # the trace has no calls of the fit
            continue
        wanted = read_label_png(parity / "expected" / script / f"{number:05d}.png")
        last = nano_sam.calls[-7::3]  # of each object, the call that answered
        assert_equal_but_for_ties(result.labels, wanted, last)
        best = [answer.iou[0, 1:].max().item() for _, _, answer in last]
        assert [o.score for o in result.objects] == pytest.approx(np.clip(best, 0, 1), abs=1e-6)

    trace = json.loads((parity / "trace.json").read_text())[script]
    assert len(nano_sam.calls) == len(trace)
    for (embedding, prompts, answer), call in zip(nano_sam.calls, trace, strict=True):
        np.testing.assert_allclose(prompts.points[0], call["point_coords"], atol=1)
        assert prompts.point_labels[0].tolist() == call["point_labels"]
        assert (prompts.boxes is None) == (call["box"] is None)
        if prompts.boxes is not None:
            np.testing.assert_allclose(prompts.boxes[0], call["box"], atol=1)
        assert (prompts.masks is not None) == call["has_mask_input"]
        assert prompts.attention_bias is None
        assert prompts.target_embedding is None
        np.testing.assert_allclose(answer.iou[0, 1:], call["scores"], atol=1e-3)
        np.testing.assert_allclose(
            answer.logits[0, 1:].mean(dim=(1, 2)), call["logits_mean"], atol=1e-3
        )
        areas = (embedding.transform.restore(answer.logits)[0, 1:] > 0).sum(dim=(1, 2))
        np.testing.assert_allclose(areas, call["areas"], atol=5)  # of 103,680 pixels


def assert_equal_but_for_ties(labels, wanted, answers):
    """Processors round float sums differently, which shows where two labels have one logit.

    Of the clip, this is seen in one pixel of frame 3 of persam_video_f, at row 157 and column 351,
    on processors without AVX-512: there the objects 1 and 2 tie.
    """
    planes = [torch.zeros(labels.shape)]  # the background
    for embedding, _, answer in answers:
        best = 1 + int(answer.iou[0, 1:].argmax())
        planes.append(embedding.transform.restore(answer.logits)[0, best])
    different = labels != wanted
    logits = torch.stack(planes).numpy()[:, different]
    ours, theirs = (np.take_along_axis(logits, x[different][None], 0) for x in (labels, wanted))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert different.mean() <= 1e-4


# --- faults and limits, on a model whose masks are known ----------------------------------------

SIDE = 64


class BoxSam(SamModel):
    """Finds whatever is not black in its box, or else in its mask prompt; all at full size.

    Its three masks are that, ``nested`` times eroded more each; the first has the best score.
    """

    def __init__(self, nested=0):
        info = ModelInfo("box", "", SIDE, "cpu", "fp32")
        nothing = torch.nn.Identity()
        super().__init__(Sam(nothing, nothing, nothing), info, torch.device("cpu"), torch.float32)
        self.nested = nested
        self.calls = []

    def encode(self, rgb):
        pixels = torch.tensor(rgb).permute(2, 0, 1)[None].float()
        transform = InputTransform.fit(rgb.shape[:2], SIDE, None)
        features = F.avg_pool2d(pixels, 4)
        return ImageEmbedding(features, transform, features, skips=(pixels, pixels))

    def decode(self, embedding, prompts):
        shown = embedding.skips[0][0].sum(dim=0) > 0
        if prompts.boxes is not None:
            x0, y0, x1, y1 = prompts.boxes[0].int().tolist()
            region = torch.zeros_like(shown)
            region[y0 : y1 + 1, x0 : x1 + 1] = True
        else:
            region = prompts.masks[0, 0] > 0
        mask = (shown & region)[None, None].float()
        masks = [mask]
        for number in range(3):
            shrink = number * self.nested
            masks.append(1 - F.max_pool2d(1 - mask, 2 * shrink + 1, stride=1, padding=shrink))
        logits = torch.cat(masks, dim=1) * 10 - 5
        answer = MaskPrediction(logits, torch.tensor([[0.8, 0.9, 0.5, 0.3]]))
        self.calls.append((prompts, answer))
        return answer


PLACES = {1: (4, 4), 2: (28, 28), 3: (50, 50)}


def draw(*ids, side=10):
    """Return a frame with objects at their places, and its label map."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for object_id in ids:
        x, y = PLACES[object_id]
        labels[y : y + side, x : x + side] = object_id
    rgb = np.stack([labels * 60] * 3, axis=2)
    return rgb, labels


def start(model=None, method="persam", ids=(1, 2, 3), side=10):
    tracker = UpstreamTracker(model or BoxSam(), Settings(procedure="upstream", method=method))
    rgb, labels = draw(*ids, side=side)
    first = tracker.step(rgb, labels)
    assert np.array_equal(first.labels, labels)
    assert all(o.state is ObjectState.TRACKED and o.score == 1 for o in first.objects)
    return tracker


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_objects_that_stay_keep_their_ids(method):
    tracker = start(method=method)
    for number in range(1, 3):
        rgb, labels = draw(1, 2, 3)
        result = tracker.step(rgb)
        assert result.index == number
        assert np.array_equal(result.labels, labels)
        assert [o.object_id for o in result.objects] == [1, 2, 3]
        assert [o.area for o in result.objects] == [100, 100, 100]
        assert [o.score for o in result.objects] == pytest.approx([0.9] * 3)


def test_ids_may_have_gaps():
    tracker = UpstreamTracker(BoxSam())
    rgb, labels = draw(1, 3)
    labels[labels == 3] = 40
    tracker.step(rgb, labels)
    result = tracker.step(rgb)
    assert np.array_equal(result.labels, labels)
    assert tracker.object_ids == (1, 40)


def test_fault_boxes_shift_when_an_object_vanishes():
    tracker = start()
    without, _ = draw(2, 3)
    result = tracker.step(without)
    assert [o.state.value for o in result.objects] == ["lost", "tracked", "tracked"]
    # now object 1 gets the box of 2, object 2 that of 3, and object 3 is never looked for again
    everything, _ = draw(1, 2, 3)
    for _ in range(2):
        result = tracker.step(everything)
        assert [o.box for o in result.objects] == [(28, 28, 38, 38), (50, 50, 60, 60), None]
        assert result.objects[2].state is ObjectState.LOST
        assert result.objects[2].score == 0


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_empty_masks_go_on_where_upstream_stops(method):
    tracker = start(method=method)
    black, empty = draw()
    full, _ = draw(1, 2, 3)
    for rgb in (black, full):  # without a box, nothing is looked for any more
        result = tracker.step(rgb)
        assert np.array_equal(result.labels, empty)
        assert [o.state for o in result.objects] == [ObjectState.LOST] * 3
        assert [o.box for o in result.objects] == [None] * 3


@pytest.mark.parametrize(
    ("side", "areas", "chosen"),
    [
        (10, [100, 64, 36], 0),
        (17, [289, 225, 169], 1),  # 33, 225, 169 in 8 bits
    ],
)
def test_fault_areas_are_kept_in_8_bits(side, areas, chosen):
    model = BoxSam(nested=1)
    start(model, ids=(2,), side=side).step(draw(2, side=side)[0])
    (_, first), (second, _), _ = model.calls
    assert (first.logits[0, 1:] > 0).sum(dim=(1, 2)).tolist() == areas
    assert int((second.masks > 0).sum()) == areas[chosen]


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_fault_a_tiny_object_has_no_target_but_its_box(method):
    tracker = start(method=method, ids=(1,), side=1)
    rgb, labels = draw(1, side=1)
    result = tracker.step(rgb)
    assert np.array_equal(result.labels, labels)


@pytest.mark.parametrize(
    ("box", "wanted", "centre"),
    [
        ((20, 22, 30, 40), (10, 12, 39, 49), (24, 30)),
        ((0, 5, 30, 64), (0, 0, 39, 64), (19, 32)),  # clipped to 0 and to the size itself
    ],
)
def test_the_last_box_grows_by_ten_pixels(box, wanted, centre):
    embedding = BoxSam().encode(draw(1)[0])
    for count in (1, 2):
        prompts = first_prompts(embedding, torch.ones(3), box, count)
        assert prompts.boxes[0].tolist() == list(wanted)
        assert prompts.points.shape == (1, count + 1, 2)
        assert prompts.points[0, -1].tolist() == list(centre)
        assert prompts.point_labels.tolist() == [[1] * (count + 1)]


# --- misuse -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"prior": {"alpha": 0.3}}, "prior"),
        ({"cascade": {"passes": 2}}, "cascade"),
        ({"prompts": {"negative_points": 0}}, "prompts"),
    ],
)
def test_settings_without_effect_are_refused(settings, word):
    with pytest.raises(ConfigError, match=f"no '{word}' settings"):
        UpstreamTracker(BoxSam(), Settings(procedure="upstream", **settings))


def test_the_first_frame_needs_an_annotation_that_fits():
    tracker = UpstreamTracker(BoxSam())
    rgb, labels = draw(1)
    with pytest.raises(AnnotationError, match="with its annotation"):
        tracker.step(rgb)
    with pytest.raises(AnnotationError, match="frame is 64x64"):
        tracker.step(rgb, labels[:32])
    tracker.step(rgb, labels)


def test_later_annotations_and_sizes_are_refused():
    tracker = start()
    rgb, labels = draw(1, 2, 3)
    with pytest.raises(AnnotationError, match="one annotation"):
        tracker.step(rgb, labels)
    with pytest.raises(SourceError, match="frame 1 is 64x32"):
        tracker.step(rgb[:32])


# --- choice -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "kind"),
    [
        ("persam", Tracker),
        ("persam_f", Tracker),
        ("upstream", UpstreamTracker),
        ("upstream_f", UpstreamTracker),
    ],
)
def test_the_settings_choose_the_tracker(preset, kind):
    assert isinstance(make_tracker(BoxSam(), load_settings(preset)), kind)
