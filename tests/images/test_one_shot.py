"""Objects of annotated images, found in other images."""

import numpy as np
import pytest
import torch
from PIL import Image

from eval.common import iou
from persam_video.config import load_settings
from persam_video.errors import AnnotationError, ConfigError
from persam_video.images import OneShotSegmenter, Reference, Search
from persam_video.masks import Annotation, box_of, read_annotation
from persam_video.sam import load_sam


def reference(photo):
    return Reference(photo.rgb, photo.labels)


@pytest.mark.parametrize("preset", ["images", "images_f"])
def test_every_object_is_found_in_another_image_under_its_id(model, three, moved, preset):
    settings = load_settings(preset, {"weights.steps": 20})
    found = OneShotSegmenter(model, [reference(three)], settings).segment(moved.rgb)
    assert [segment.label for segment in found] == [1, 2, 3]
    for segment in found:
        assert segment.mask.shape == moved.labels.shape
        assert iou(segment.mask, moved.labels == segment.label) > 0.7
        assert segment.box == box_of(segment.mask)
        assert 0.6 <= segment.score <= 1
    # they do not overlap
    assert np.stack([segment.mask for segment in found]).sum(axis=0).max() == 1


def test_ids_may_have_gaps_and_void_is_left_out(model, three, moved):
    labels = np.choose(three.labels, [0, 0, 200, 255]).astype(np.uint8)
    (found,) = OneShotSegmenter(model, [Reference(three.rgb, labels)]).segment(moved.rgb)
    assert found.label == 200
    assert iou(found.mask, moved.labels == 2) > 0.7


def test_all_objects_of_a_category_are_found_one_by_one(model, one_ball, shoal):
    segmenter = OneShotSegmenter(model, [reference(one_ball)], search=Search(max_objects=8))
    found = segmenter.segment(shoal.rgb)
    assert [segment.label for segment in found] == [1, 2, 3, 4]
    truth = [shoal.labels == i for i in range(1, 5)]
    best = [int(np.argmax([iou(segment.mask, mask) for mask in truth])) for segment in found]
    assert sorted(best) == [0, 1, 2, 3]
    assert all(iou(segment.mask, truth[n]) > 0.8 for segment, n in zip(found, best, strict=True))


def test_the_search_ends_at_the_given_number(model, one_ball, shoal):
    segmenter = OneShotSegmenter(model, [reference(one_ball)], search=Search(max_objects=2))
    assert len(segmenter.segment(shoal.rgb)) == 2


def test_several_ids_are_examples_of_one_category(model, shoal, one_ball):
    segmenter = OneShotSegmenter(model, [reference(shoal)], search=Search(max_objects=4))
    (found,) = segmenter.segment(one_ball.rgb)
    assert found.label == 1
    assert iou(found.mask, one_ball.labels == 1) > 0.8


def test_a_low_score_is_no_object(model, one_ball, shoal):
    for most in (1, 4):
        search = Search(max_objects=most, score=1)
        assert (
            OneShotSegmenter(model, [reference(one_ball)], search=search).segment(shoal.rgb) == []
        )


def test_a_mask_over_an_earlier_one_ends_the_search(model, one_ball, shoal):
    """With no overlap allowed, masks that touch end it; with all allowed, pixels stay unique."""
    found = {
        overlap: OneShotSegmenter(
            model, [reference(one_ball)], search=Search(9, overlap=overlap, score=0)
        ).segment(shoal.rgb)
        for overlap in (0, 1)
    }
    assert 1 <= len(found[0]) <= len(found[1])
    for segments in found.values():
        assert np.stack([segment.mask for segment in segments]).sum(axis=0).max() == 1
        assert all(segment.mask.any() for segment in segments)


def test_references_are_averaged(model, three, moved, one_ball):
    """The same reference twice is one; an id is learned from those that show it."""
    only_ball = Reference(three.rgb, np.where(three.labels == 2, 2, 0))
    as_2 = Reference(one_ball.rgb, one_ball.labels * 2)
    once = OneShotSegmenter(model, [only_ball]).segment(moved.rgb)
    twice = OneShotSegmenter(model, [only_ball, only_ball]).segment(moved.rgb)
    assert [segment.score for segment in once] == [segment.score for segment in twice]
    assert np.array_equal(once[0].mask, twice[0].mask)
    both = OneShotSegmenter(model, [reference(three), as_2]).segment(moved.rgb)
    assert [segment.label for segment in both] == [1, 2, 3]
    assert iou(both[1].mask, moved.labels == 2) > 0.7
    assert not np.array_equal(both[1].mask, once[0].mask)


@pytest.mark.parametrize(("preset", "most"), [("images", 3), ("images_f", 1)])
def test_a_model_of_meta_s_kind_takes_the_same_way(nano_sam, three, moved, preset, most):
    """Without a matching prompt, on a square padded input; its weights are random."""
    settings = load_settings(preset, {"weights.steps": 5, "guidance.attention": True})
    search = Search(max_objects=most, score=0)
    segmenter = OneShotSegmenter(nano_sam, [reference(three)], settings, search)
    found = segmenter.segment(moved.rgb)
    assert len(found) <= 3
    assert all(prompts.matching is None for _, prompts, _ in nano_sam.calls)
    for segment in found:
        assert segment.mask.any()
        assert 0 <= segment.score <= 1


def test_the_maps_leave_out_what_was_found(one_ball, shoal):
    """No later positive point lies on an earlier object."""
    model = load_sam("lite", image_size=384, device="cpu")
    points = []
    decode = model.decode

    def watch(embedding, prompts):
        if prompts.target_embedding is not None:  # a first pass
            points.append(prompts.points[0, 0].tolist())
        return decode(embedding, prompts)

    model.decode = watch
    search = Search(max_objects=4)
    found = OneShotSegmenter(model, [reference(one_ball)], search=search).segment(shoal.rgb)
    assert len(points) >= len(found) == 4
    for number, (x, y) in enumerate(points):
        assert not any(segment.mask[int(y), int(x)] for segment in found[:number])


def test_a_broken_model_gives_nothing_rather_than_nan(three, moved):
    model = load_sam("lite", image_size=256, device="cpu")
    decode = model.decode

    def broken(embedding, prompts):
        answer = decode(embedding, prompts)
        return type(answer)(answer.logits * torch.nan, answer.iou * torch.nan)

    model.decode = broken
    for most in (1, 3):
        search = Search(max_objects=most, score=0)
        assert OneShotSegmenter(model, [reference(three)], search=search).segment(moved.rgb) == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"max_objects": 0}, "1 to 254"),
        ({"max_objects": 255}, "1 to 254"),
        ({"overlap": -0.1}, "overlap"),
        ({"overlap": float("nan")}, "overlap"),
        ({"score": 1.5}, "score"),
    ],
)
def test_a_search_out_of_range(values, says):
    with pytest.raises(ConfigError, match=says):
        Search(**values)


def test_what_cannot_be_learned(model, three, moved):
    with pytest.raises(AnnotationError, match="at least one"):
        OneShotSegmenter(model, [])
    with pytest.raises(AnnotationError, match="480x320"):
        OneShotSegmenter(model, [Reference(moved.rgb, Annotation.from_labels(three.labels))])
    with pytest.raises(AnnotationError, match="no object"):
        OneShotSegmenter(model, [Reference(three.rgb, np.zeros_like(three.labels))])
    with pytest.raises(ConfigError, match="upstream"):
        OneShotSegmenter(model, [reference(three)], load_settings("upstream"))


@pytest.mark.parametrize("preset", ["images", "images_f"])
def test_the_dog_is_found_in_later_frames(shared_data, preset):
    davis = shared_data / "davis"

    def image(number):
        file = davis / "JPEGImages" / "480p" / "dog" / f"{number:05d}.jpg"
        return np.array(Image.open(file).convert("RGB"))

    def truth(number):
        return read_annotation(davis / "Annotations" / "480p" / "dog" / f"{number:05d}.png")

    model = load_sam("lite", device="cpu")
    segmenter = OneShotSegmenter(model, [Reference(image(0), truth(0))], load_settings(preset))
    for number in (30, 59):
        (found,) = segmenter.segment(image(number))
        assert iou(found.mask, truth(number).mask(1)) >= 0.8
