import cv2
import numpy as np
import pytest

from eval.common import iou
from eval.prior import shoal
from persam_video.config import load_settings
from persam_video.drawing.soft import objects_share
from persam_video.errors import AnnotationError, SourceError
from persam_video.sam import load_sam
from persam_video.tracking import ObjectState, Tracker
from persam_video.video import Frame


def track(model, frames, preset="persam", *, soft=False, **overrides):
    tracker = Tracker(model, load_settings(preset, overrides), soft=soft)
    first, labels = frames[0]
    return [tracker.step(first, labels), *(tracker.step(frame) for frame, _ in frames[1:])]


@pytest.fixture(scope="module")
def results(model, demo_frames):
    return track(model, demo_frames)


def test_the_first_frame_is_the_annotation(results, demo_frames):
    assert np.array_equal(results[0].labels, demo_frames[0][1])
    assert [o.score for o in results[0].objects] == [1.0, 1.0, 1.0]


def test_objects_are_followed(results, demo_frames):
    for result, (_, truth) in zip(results[1:], demo_frames[1:], strict=True):
        for seen in result.objects:
            assert iou(result.mask(seen.object_id), truth == seen.object_id) > 0.7


def test_a_model_without_maps_and_readout_takes_the_same_way(model, demo_frames):
    """As Meta's SAM: what it lacks is left out, and everything else stays as it is."""
    frames, off = demo_frames[:4], {"prompts.matching": False, "prompts.readout": False}
    expected = track(model, frames, **off)
    bare = load_sam("lite", image_size=384, device="cpu")
    bare.network.takes_matching = False
    bare.network.prompt_encoder.memory = None
    for overrides in ({}, off):
        found = track(bare, frames, **overrides)
        for one, other in zip(found, expected, strict=True):
            assert np.array_equal(one.labels, other.labels)
            assert one.objects == other.objects
    whole = track(model, frames)
    assert any(
        not np.array_equal(one.labels, other.labels)
        for one, other in zip(whole, expected, strict=True)
    )


def test_results_describe_their_label_map(results):
    for result in results:
        assert set(np.unique(result.labels)) <= {0, 1, 2, 3}
        for seen in result.objects:
            mask = result.mask(seen.object_id)
            assert seen.area == mask.sum()
            assert 0 <= seen.score <= 1
            ys, xs = np.nonzero(mask)
            assert seen.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


FULL_SIZE = {"zoom.sure": None}
"""Edges are as soft as a cell of the input is large: here of the usual one."""


@pytest.fixture(scope="module")
def soft_results(model, demo_frames):
    return track(model, demo_frames[:6], soft=True, **FULL_SIZE)


def check_soft_masks(result):
    """Check that each object with a pixel has a soft mask that agrees with its mask."""
    assert sorted(result.soft) == [o.object_id for o in result.objects if o.area]
    for object_id, soft in result.soft.items():
        x0, y0, x1, y1 = soft.box
        mask = result.mask(object_id)
        assert mask[y0:y1, x0:x1].sum() == mask.sum()
        assert np.array_equal(soft.alpha >= 128, mask[y0:y1, x0:x1])


def test_soft_masks_are_soft_at_the_edges_of_the_masks_only(model, demo_frames, soft_results):
    assert soft_results[0].soft == {}  # its masks were given
    results = track(model, demo_frames[:6], **FULL_SIZE)
    for hard, result in zip(results[1:], soft_results[1:], strict=True):
        assert hard.soft == {}
        assert np.array_equal(hard.labels, result.labels)
        check_soft_masks(result)
        for object_id, soft in result.soft.items():
            x0, y0, x1, y1 = soft.box
            mask = result.mask(object_id)
            inside = cv2.erode(mask.view(np.uint8), np.ones((31, 31)))[y0:y1, x0:x1] > 0
            assert (soft.alpha[inside] == 255).all()
            between = (soft.alpha > 25) & (soft.alpha < 230)
            assert between.any()
            assert between.mean() < 0.3


def test_soft_masks_end_where_the_view_does(model, demo_frames):
    close = {"zoom.sure": 0.0, "zoom.sure_room": 1.0}
    results = track(model, demo_frames, soft=True, **close)
    for result in results[1:]:
        check_soft_masks(result)


def test_the_model_looks_closer_with_less_while_it_is_sure(model, demo_frames):
    def inputs(**overrides):
        settings = load_settings("persam", {"zoom.sure_frames": 2, **overrides})
        tracker, sizes = Tracker(model, settings), []
        for number, (frame, labels) in enumerate(demo_frames[:7]):
            tracker.step(frame, labels if number == 0 else None)
            size = (216, 384) if tracker.view is None else tracker.view.input_size
            sizes.append(size[0] * size[1] / (216 * 384))
        return sizes

    always = inputs(**{"zoom.sure": 0.0})
    # the annotated frame, two frames that the model has to be sure of, and one that was planned
    assert all(size > 0.8 for size in always[:4])
    assert all(size < 0.6 for size in always[4:])
    for never in ({"zoom.sure": None}, {"zoom.sure": 1.0}):
        assert all(size > 0.8 for size in inputs(**never))


def test_the_model_does_not_look_closer_where_something_looks_like_the_object(model):
    frames = [
        (Frame(index, rgb, index / 24), labels)
        for index, (rgb, labels) in zip(range(30), shoal().frames(), strict=False)
    ]

    def seen(**overrides):
        tracker = Tracker(model, load_settings("persam", overrides))
        results = [tracker.step(f, m if f.index == 0 else None) for f, m in frames]
        return tracker.view, np.mean(
            [iou(r.mask(1), m == 1) for r, (_, m) in zip(results, frames, strict=True)]
        )

    usual, score = seen(**{"zoom.sure": None})
    alert, as_good = seen()
    closer, _ = seen(**{"zoom.rival": 100.0})
    assert alert == usual != closer
    assert as_good == score > 0.85


def test_a_view_of_annotated_objects_forgets_that_they_were_lost(model, demo_frames):
    tracker, fresh = Tracker(model), Tracker(model)
    tracker.step(*demo_frames[0])
    black = np.zeros_like(demo_frames[0][0].rgb)
    assert not any(seen.area for seen in tracker.step(black).objects)
    frame, labels = demo_frames[1]
    only = np.where(labels == 2, labels, 0).astype(np.uint8)
    tracker.step(frame, only)
    assert tracker.view is None  # the others are still to be found
    tracker.step(frame, labels)
    fresh.step(frame, labels)
    assert tracker.view == fresh.view


def test_an_added_object_is_seen_as_closely_as_an_annotated_one(model, demo_frames):
    tracker, annotated = Tracker(model), Tracker(model)
    frame, labels = demo_frames[0]
    only = np.where(labels == 2, labels, 0).astype(np.uint8)
    tracker.step(frame)
    tracker.add_object(2, only == 2)
    annotated.step(frame, only)
    assert tracker.view == annotated.view is not None
    ours, theirs = (either.step(demo_frames[1][0]) for either in (tracker, annotated))
    assert np.array_equal(ours.labels, theirs.labels)


def test_soft_masks_are_nearer_to_the_truth_than_hard_ones(soft_results, demo_frames):
    errors = []
    for result, (_, truth) in zip(soft_results[1:], demo_frames[1:], strict=False):
        share, whole = objects_share(result), 1.0 * (truth > 0)
        assert np.array_equal(share > 0.5, result.labels > 0)
        errors.append(
            [np.square(each - whole).mean() for each in (share, 1.0 * (result.labels > 0))]
        )
    soft, hard = np.mean(errors, axis=0)
    assert soft < 0.9 * hard


def test_an_object_that_is_marked_by_hand_has_no_soft_mask(model, demo_frames):
    tracker = Tracker(model, load_settings(), soft=True)
    (first, labels), (second, truth) = demo_frames[:2]
    tracker.step(first, labels)
    result = tracker.step(second, np.where(truth == 2, truth, 0))
    assert sorted(result.soft) == [1, 3]
    tracker.remove(1)
    assert sorted(tracker.correct(3, truth == 3).soft) == []


def test_ids_with_gaps_stay(model, demo_frames):
    renamed = np.array([0, 7, 100, 254], np.uint8)
    frames = [(frame, renamed[labels]) for frame, labels in demo_frames[:4]]
    results = track(model, frames)
    assert [o.object_id for o in results[-1].objects] == [7, 100, 254]
    assert set(np.unique(results[-1].labels)) == {0, 7, 100, 254}


@pytest.mark.parametrize(
    "overrides",
    [
        {"prior.alpha": 0.0},
        {"prior.alpha": 1.0},
        {"prior.motion": 0.0},
        {"prompts.box": False, "prompts.mask": True},
        {"prompts.matching": False},
        {"guidance.attention": True},
        {"guidance.semantic": False},
        {"cascade.passes": 0},
        {"cascade.passes": 2},
        {"prompts.positive_points": 3, "prompts.negative_points": 0},
        {"target.pooling": "mean"},
    ],
    ids=str,
)
def test_every_setting_tracks(model, demo_frames, overrides):
    results = track(model, demo_frames[:4], **overrides)
    truth = demo_frames[3][1]
    found = [iou(results[3].mask(i), truth == i) for i in (1, 2, 3)]
    assert np.mean(found) > 0.5


def test_persam_f_learns_weights_and_tracks(model, demo_frames):
    results = track(model, demo_frames[:5], "persam_f", **{"weights.steps": 60})
    truth = demo_frames[4][1]
    assert np.mean([iou(results[4].mask(i), truth == i) for i in (1, 2, 3)]) > 0.7


def test_a_lost_object_gives_an_empty_mask_keeps_its_id_and_comes_back(model, come_and_go_frames):
    tracker = Tracker(model, load_settings())
    states, overlaps = {}, {}
    for number, (frame, truth) in enumerate(come_and_go_frames):
        given = {0: truth, 30: np.where(truth == 2, truth, 0)}.get(number)
        result = tracker.step(frame, given)
        for seen in result.objects:
            mask = result.mask(seen.object_id)
            states[number, seen.object_id] = seen.state
            overlaps[number, seen.object_id] = iou(mask, truth == seen.object_id)
            if seen.state is ObjectState.LOST:
                assert seen.area == 0
                assert seen.box is None
        assert len(result.objects) == (2 if number < 30 else 3)
    # object 1 is away from frame 50 to 70, object 2 enters at 30, object 3 stays
    assert states[60, 1] is ObjectState.LOST
    assert overlaps[60, 1] == 1.0
    assert overlaps[85, 1] > 0.5
    assert overlaps[85, 2] > 0.5


def test_an_object_can_be_corrected_and_removed(model, demo_frames):
    tracker = Tracker(model)
    tracker.step(*demo_frames[0])
    only = np.where(demo_frames[1][1] == 2, 2, 0).astype(np.uint8)
    corrected = tracker.step(demo_frames[1][0], only)
    assert np.array_equal(corrected.mask(2), only == 2)
    tracker.remove(3)
    assert tracker.object_ids == (1, 2)
    assert not tracker.step(demo_frames[2][0]).mask(3).any()
    with pytest.raises(AnnotationError, match="no object 3"):
        tracker.remove(3)


def test_a_lookalike_elsewhere_does_not_become_part_of_the_object(model, demo_frames):
    """The koi of the demonstration gets a double, far below it, that no annotation knows."""
    frames = []
    for frame, labels in demo_frames[:4]:
        rgb = frame.rgb.copy()
        koi = labels == 1
        shift = 5 * rgb.shape[0] // 9  # a quarter of its length lies between the two
        rgb[shift:][koi[:-shift]] = frame.rgb[:-shift][koi[:-shift]]
        frames.append((Frame(frame.index, rgb, frame.time), np.where(koi, labels, 0)))
    # a view around the koi would not show the double
    mask = track(model, frames, **{"zoom.limit": 1.0})[-1].mask(1)
    assert iou(mask, frames[-1][1] == 1) > 0.8


def test_plain_arrays_are_numbered(model, demo_frames):
    tracker = Tracker(model)
    tracker.step(demo_frames[0][0].rgb, demo_frames[0][1])
    assert tracker.step(demo_frames[1][0].rgb).index == 1


def test_frames_before_the_first_annotation_are_empty(model, demo_frames):
    tracker = Tracker(model)
    before = tracker.step(demo_frames[0][0])
    assert (before.labels.shape, before.labels.any(), before.objects) == ((360, 640), False, ())
    late, plain = tracker.step(*demo_frames[1]), Tracker(model)
    plain.step(*demo_frames[1])
    assert np.array_equal(late.labels, demo_frames[1][1])
    assert np.array_equal(
        tracker.step(demo_frames[2][0]).labels, plain.step(demo_frames[2][0]).labels
    )


def test_an_object_is_added_to_the_frame_stepped_to_last(model, demo_frames):
    (first, labels), (second, _) = demo_frames[:2]
    tracker, at_once = Tracker(model), Tracker(model)
    tracker.step(first)
    for object_id in (1, 2, 3):
        added = tracker.add_object(object_id, labels == object_id)
    assert np.array_equal(added.labels, labels)
    assert added.objects == at_once.step(first, labels).objects
    ours, theirs = tracker.step(second), at_once.step(second)
    assert np.mean([iou(ours.mask(i), theirs.mask(i)) for i in (1, 2, 3)]) > 0.99


def test_a_correction_annotates_the_frame_stepped_to_last_anew(model, demo_frames):
    tracker, at_once = Tracker(model), Tracker(model)
    for either in (tracker, at_once):
        either.step(*demo_frames[0])
    frame, truth = demo_frames[4]
    tracker.step(frame)
    corrected = tracker.correct(2, truth == 2)
    at_once.step(frame, np.where(truth == 2, truth, 0))
    assert np.array_equal(corrected.mask(2), truth == 2)
    ours, theirs = (
        next(o for o in either.state().objects if o.object_id == 2) for either in (tracker, at_once)
    )
    assert np.array_equal(ours.target, theirs.target)
    assert np.array_equal(ours.annotated.coverage, theirs.annotated.coverage)
    assert (ours.box, ours.likeness, ours.streak) == (theirs.box, None, 0)
    assert not ours.velocity.any()


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda tracker, mask: tracker.add_object(2, mask), "already known"),
        (lambda tracker, mask: tracker.add_object(255, mask), "1 to 254"),
        (lambda tracker, mask: tracker.add_object(9, np.zeros_like(mask)), "is empty"),
        (lambda tracker, mask: tracker.add_object(9, mask[1:]), "640x359"),
        (lambda tracker, mask: tracker.correct(9, mask), "no object 9"),
        (lambda tracker, _: tracker.remove(9), "no object 9"),
        (lambda tracker, mask: Tracker(tracker.model).add_object(1, mask), "step"),
    ],
    ids=["known", "range", "empty", "size", "correct unknown", "remove unknown", "no frame"],
)
def test_wrong_additions_and_corrections_name_the_fix(model, demo_frames, call, found):
    tracker = Tracker(model)
    frame, labels = demo_frames[0]
    tracker.step(frame, labels)
    with pytest.raises(AnnotationError, match=found):
        call(tracker, labels == 2)


def test_an_annotation_of_another_size_is_refused(model, demo_frames):
    with pytest.raises(AnnotationError, match="10x10"):
        Tracker(model).step(demo_frames[0][0], np.ones((10, 10), np.uint8))


def test_a_video_that_changes_its_size_is_refused(model, demo_frames):
    tracker = Tracker(model)
    tracker.step(*demo_frames[0])
    with pytest.raises(SourceError, match="320x180"):
        tracker.step(np.zeros((180, 320, 3), np.uint8))


@pytest.mark.parametrize("kind", ["black", "one pixel", "whole frame", "border", "many"])
def test_odd_input_neither_crashes_nor_gives_nan(model, kind):
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 255, (3, 90, 120, 3)).astype(np.uint8)
    labels = np.zeros((90, 120), np.uint8)
    if kind == "black":
        frames[:] = 0
        labels[20:40, 20:50] = 1
    elif kind == "one pixel":
        labels[45, 60] = 1
    elif kind == "whole frame":
        labels[:] = 1
    elif kind == "border":
        labels[:10, :] = 1
        labels[-3:, :] = 2
    else:
        labels[:] = (np.arange(120)[None] // 6 + 20 * (np.arange(90)[:, None] // 30)) % 60 + 1
    tracker = Tracker(model)
    tracker.step(frames[0], labels)
    for frame in frames[1:]:
        result = tracker.step(frame)
        assert set(np.unique(result.labels)) <= {0, *tracker.object_ids}
        assert all(np.isfinite(o.score) for o in result.objects)
