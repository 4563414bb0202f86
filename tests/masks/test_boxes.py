import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from persam_video.masks import box_of, boxes_of_labels
from persam_video.masks.boxes import Box, centre, centred, clip, grow

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
labels = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 2, 9, 254, 255]),
)
sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x0, y0 = draw(st.integers(-5, 20)), draw(st.integers(-5, 20))
    return x0, y0, x0 + draw(st.integers(1, 20)), y0 + draw(st.integers(1, 20))


def painted(box: Box, side: int = 60, offset: int = 10) -> np.ndarray:
    canvas = np.zeros((side, side), bool)
    x0, y0, x1, y1 = (end + offset for end in box)
    canvas[y0:y1, x0:x1] = True
    return canvas


@given(masks)
def test_a_box_is_the_smallest_around_its_mask(mask: np.ndarray) -> None:
    box = box_of(mask)
    if box is None:
        assert not mask.any()
        return
    x0, y0, x1, y1 = box
    inside = mask[y0:y1, x0:x1]
    assert inside.sum() == mask.sum()
    assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


@given(labels)
def test_boxes_of_labels_are_those_of_the_masks(labels: np.ndarray) -> None:
    ids = [253, 1, 2, 3, 254]
    found = boxes_of_labels(labels, ids)
    assert found == {i: box_of(labels == i) for i in ids}
    assert list(found) == ids


def test_a_view_is_a_mask_too() -> None:
    mask = np.zeros((8, 10), bool)
    mask[2:4, 5:9] = True
    assert box_of(mask.T[::-1]) == (2, 1, 4, 5)
    assert box_of(mask[::2, ::2]) == (3, 1, 5, 2)


@given(boxes(), sizes)
def test_clip_keeps_the_pixels_inside(box: Box, size: tuple[int, int]) -> None:
    frame = painted((0, 0, size[1], size[0]))
    clipped = clip(box, size)
    expected = painted(box) & frame
    np.testing.assert_array_equal(
        expected, np.zeros_like(expected) if clipped is None else painted(clipped)
    )


@pytest.mark.parametrize(
    ("box", "margin", "expected"),
    [
        ((4, 5, 6, 8), 0, (4, 5, 6, 8)),
        ((4, 5, 6, 8), 2, (2, 3, 8, 10)),
        ((4, 5, 6, 8), 10, (0, 0, 16, 18)),
        ((4, 5, 6, 8), 100, (0, 0, 30, 20)),
        ((0, 0, 10, 10), -2, (2, 2, 8, 8)),
        ((0, 0, 10, 10), -5, None),
        ((40, 40, 50, 50), 5, None),
    ],
)
def test_grow(box: Box, margin: int, expected: Box | None) -> None:
    assert grow(box, margin, (20, 30)) == expected


@given(boxes())
def test_the_centre_is_the_mean_of_the_pixels(box: Box) -> None:
    y, x = np.argwhere(painted(box, offset=10)).mean(axis=0) - 10
    assert centre(box) == pytest.approx((x, y))


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        ((40, 20, 50, 30), (35, 20, 55, 30)),
        ((41.5, 20.0, 50.0, 30.0), (35, 20, 55, 30)),
        ((0, 0, 4, 4), (0, 0, 20, 10)),
        ((90, 40, 100, 50), (80, 40, 100, 50)),
    ],
)
def test_a_box_is_centred_as_far_as_the_frame_allows(around, expected: Box) -> None:
    assert centred(around, (20, 10), (50, 100)) == expected
