from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from persam_video.masks import keep_large, keep_nearest
from persam_video.masks.components import keep_overlapping, keep_touching

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
EIGHT = np.ones((3, 3))


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    ids, count = ndimage.label(mask, EIGHT)
    return [ids == i for i in range(1, count + 1)]


def union(mask: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce([np.zeros_like(mask), *parts])


@given(masks, st.floats(0, 1))
def test_components_above_a_fraction(mask: np.ndarray, fraction: float) -> None:
    parts = pieces(mask)
    largest = max((part.sum() for part in parts), default=0)
    expected = union(mask, [part for part in parts if part.sum() >= fraction * largest])
    np.testing.assert_array_equal(keep_large(mask, fraction), expected)


@given(masks, st.tuples(st.floats(-2, 16), st.floats(-2, 16)))
def test_the_component_nearest_to_a_point(mask: np.ndarray, point: tuple[float, float]) -> None:
    def distance(part: np.ndarray) -> float:
        rows, columns = np.nonzero(part)
        return min(np.hypot(columns - point[0], rows - point[1]), default=np.inf)

    kept = keep_nearest(mask, point)
    assert any((kept == part).all() for part in pieces(mask)) or not mask.any()
    assert distance(kept) == distance(mask)


corners = st.integers(-3, 16)


@given(masks, corners, corners, st.integers(0, 9), st.integers(0, 9))
def test_components_that_touch_a_box(
    mask: np.ndarray, x0: int, y0: int, width: int, height: int
) -> None:
    box = (x0, y0, x0 + width, y0 + height)
    rows, columns = np.indices(mask.shape)
    inside = (columns >= x0) & (columns < box[2]) & (rows >= y0) & (rows < box[3])
    touching = [part for part in pieces(mask) if (part & inside).any()]
    expected = union(mask, touching) if touching else mask
    np.testing.assert_array_equal(keep_touching(mask, box), expected)


@pytest.mark.parametrize(
    "function",
    [
        lambda mask: keep_large(mask, 0.5),
        lambda mask: keep_touching(mask, (0, 0, 3, 3)),
        lambda mask: keep_nearest(mask, (7.0, 7.0)),
    ],
)
def test_the_mask_given_is_not_changed(function: Callable[[np.ndarray], np.ndarray]) -> None:
    mask = np.zeros((9, 9), bool)
    mask[1:6, 1:6] = True
    mask[3, 3] = False
    mask[8, 8] = True
    for given_mask in (mask, np.zeros_like(mask)):
        before = given_mask.copy()
        result = function(given_mask)
        result[:] = True
        np.testing.assert_array_equal(given_mask, before)


def test_the_components_nearest_to_several_points_are_kept() -> None:
    mask = np.zeros((10, 30), bool)
    mask[2:5, 2:5] = mask[2:5, 12:15] = mask[2:5, 22:25] = True
    kept = keep_nearest(mask, (3.0, 3.0), (26.0, 8.0))
    expected = mask.copy()
    expected[:, 12:15] = False
    assert (kept == expected).all()


def test_the_components_that_overlap_another_mask_are_kept_whole() -> None:
    mask = np.zeros((10, 30), bool)
    mask[2:5, 2:5] = mask[2:5, 12:15] = True
    other = np.zeros_like(mask)
    other[4:8, 13:20] = True
    kept = keep_overlapping(mask, other)
    assert (kept[:, 10:] == mask[:, 10:]).all()
    assert not kept[:, :10].any()
    assert not keep_overlapping(mask, np.zeros_like(mask)).any()
    assert not keep_overlapping(np.zeros_like(mask), other).any()
