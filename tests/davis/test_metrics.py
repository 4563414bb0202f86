"""The measures against a slow and obvious re-computation of their definitions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from persam_video.davis.metrics import (
    Statistics,
    _count_matched,
    contour_accuracy,
    match_radius,
    region_similarity,
)
from persam_video.davis.scores import match_proposals, score_masks, score_proposals

few = settings(max_examples=60)


def plain_j(truth, found):
    truth, found = (
        set(zip(*np.nonzero(truth), strict=True)),
        set(zip(*np.nonzero(found), strict=True)),
    )
    return len(truth & found) / len(truth | found) if truth | found else 1.0


def plain_boundary(mask):
    height, width = mask.shape
    return [
        (y, x)
        for y in range(height)
        for x in range(width)
        if any(
            mask[y, x] != mask[min(y + dy, height - 1), min(x + dx, width - 1)]
            for dy, dx in ((0, 1), (1, 0), (1, 1))
        )
    ]


def plain_f(truth, found, radius):
    truth, found = plain_boundary(truth), plain_boundary(found)
    if not truth and not found:
        return 1.0
    if not truth or not found:
        return 0.0

    def matched(points, others):
        return sum(
            any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in others) for y, x in points
        ) / len(points)

    precision, recall = matched(found, truth), matched(truth, found)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def plain_statistics(values):
    count = len(values)
    # round half up, as MATLAB does
    edges = [math.floor(1 + i * (count - 1) / 4 + 0.5) - 1 for i in range(5)]
    quarters = [values[edges[i] : edges[i + 1] + 1] for i in range(4)]
    return (
        sum(values) / count,
        sum(value > 0.5 for value in values) / count,
        sum(quarters[0]) / len(quarters[0]) - sum(quarters[3]) / len(quarters[3]),
    )


shapes = st.tuples(st.integers(1, 14), st.integers(1, 14))


@st.composite
def blobs(draw, shape):
    """Draw masks of every kind: empty, full, noise, boxes that may touch the border."""
    kind = draw(st.sampled_from(["empty", "full", "noise", "box", "box"]))
    if kind == "noise":
        return draw(arrays(np.bool_, shape))
    mask = np.full(shape, kind == "full")
    if kind == "box":
        (y0, y1), (x0, x1) = (
            sorted(draw(st.tuples(st.integers(0, side), st.integers(0, side)))) for side in shape
        )
        mask[y0:y1, x0:x1] = True
    return mask


pairs = shapes.flatmap(lambda shape: st.tuples(blobs(shape), blobs(shape), blobs(shape)))


@few
@given(pairs, st.integers(1, 6))
def test_j_and_f_follow_their_definitions(masks, radius):
    truth, found, _ = masks
    assert region_similarity(truth, found) == pytest.approx(plain_j(truth, found), abs=1e-12)
    expected = plain_f(truth, found, radius)
    assert contour_accuracy(truth, found, bound=radius) == pytest.approx(expected, abs=1e-12)


@few
@given(pairs)
def test_void_pixels_are_cleared_in_both_masks(masks):
    truth, found, void = masks
    assert region_similarity(truth, found, void) == plain_j(truth & ~void, found & ~void)
    expected = plain_f(truth & ~void, found & ~void, match_radius(truth.shape))
    assert contour_accuracy(truth, found, void) == pytest.approx(expected, abs=1e-12)


@few
@given(pairs)
def test_f_is_symmetric_and_perfect_for_equal_masks(masks):
    a, b, _ = masks
    assert contour_accuracy(a, b) == contour_accuracy(b, a)
    assert contour_accuracy(a, a) == region_similarity(a, a) == 1


@pytest.mark.parametrize("radius", [1, 2, 8, 18, 36])
def test_a_single_boundary_pixel_matches_within_a_disk(radius):
    side = 2 * radius + 9
    centre = side // 2
    y, x = np.mgrid[:side, :side] - centre
    disk = x**2 + y**2 <= radius**2
    other = np.zeros((side, side), np.uint8)
    other[centre, centre] = 1
    for inside in (disk, ~disk):
        boundary = inside.astype(np.uint8)
        matched = _count_matched(boundary, other, radius)
        assert matched == (boundary.sum() if inside is disk else 0)


@few
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_statistics_follow_their_definitions(values):
    found = Statistics.of(values)
    expected = plain_statistics(values)
    assert (found.mean, found.recall, found.decay) == pytest.approx(expected, abs=1e-12)


def test_decay_of_more_than_256_frames_takes_the_true_quarters():
    values = np.r_[np.ones(151), np.zeros(449)]
    assert Statistics.of(values).decay == 1.0


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_statistics_of_nothing_are_nan(values):
    found = Statistics.of(values)
    assert all(map(math.isnan, (found.mean, found.recall, found.decay)))


def test_frames_that_do_not_count_are_left_out_of_statistics():
    assert Statistics.of([math.nan, 1.0, 0.0]) == Statistics.of([1.0, 0.0])


def test_a_stack_of_masks_is_scored_frame_by_frame():
    rng = np.random.default_rng(0)
    truth, found, void = rng.random((3, 5, 9, 11)) < 0.4
    for measure in (region_similarity, contour_accuracy):
        frames = [measure(*masks) for masks in zip(truth, found, void, strict=True)]
        assert measure(truth, found, void).tolist() == frames


@pytest.mark.parametrize(
    ("truth", "found"), [((4, 5), (5, 4)), ((4, 5), (1, 4, 5)), ((4,), (4,)), ((1, 1, 4, 5),) * 2]
)
def test_masks_of_other_shapes_are_refused(truth, found):
    with pytest.raises(ValueError, match="masks must have one shape"):
        region_similarity(np.zeros(truth), np.zeros(found))


label_maps = arrays(np.uint8, (2, 4, 9, 10), elements=st.integers(0, 3))


@few
@given(label_maps)
def test_label_maps_are_scored_object_by_object(maps):
    truth, found = maps
    score = score_masks(truth, found, object_ids=(1, 2, 3))
    radius = match_radius((9, 10))
    for scored in score.objects:
        masks = [
            (t == scored.object_id, p == scored.object_id)
            for t, p in zip(truth, found, strict=True)
        ]
        j, f = [plain_j(*pair) for pair in masks], [plain_f(*pair, radius) for pair in masks]
        assert scored.region == pytest.approx(j)
        assert scored.contour == pytest.approx(f)
        assert (scored.f.mean, scored.f.recall, scored.f.decay) == pytest.approx(
            plain_statistics(f)
        )
        assert scored.mean == pytest.approx((np.mean(j) + np.mean(f)) / 2)


@few
@given(
    arrays(np.uint8, (3, 6, 7), elements=st.sampled_from([0, 1, 2, 255])),
    arrays(np.uint8, (3, 6, 7), elements=st.integers(0, 4)),
)
def test_proposals_are_matched_for_the_largest_sum(truth, found):
    frames = [score_proposals(t, p, 2) for t, p in zip(truth, found, strict=True)]
    score = match_proposals("any", ("0", "1", "2"), frames, (1, 2))
    radius = match_radius((6, 7))

    def quality(label, proposal):
        pairs = [
            ((t == label), (p == proposal) & (t != 255)) for t, p in zip(truth, found, strict=True)
        ]
        return np.mean([plain_j(*pair) + plain_f(*pair, radius) for pair in pairs]) / 2

    best = max(
        quality(1, first) + quality(2, second)
        for first, second in itertools.permutations(range(1, max(2, found.max()) + 1), 2)
    )
    assert sum(scored.mean for scored in score.objects) == pytest.approx(best)
    for scored in score.objects:
        assert scored.mean == pytest.approx(quality(scored.object_id, scored.proposal))
