from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from persam_video.masks import fill_holes, keep_large, keep_largest, keep_nearest, remove_specks
from persam_video.masks.components import keep_touching

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
EIGHT = np.ones((3, 3))


def pieces(mask: np.ndarray) -> list[np.ndarray]:
    ids, count = ndimage.label(mask, EIGHT)
    return [ids == i for i in range(1, count + 1)]


def union(mask: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce([np.zeros_like(mask), *parts])


@given(masks)
def test_the_largest_component(mask: np.ndarray) -> None:
    parts = pieces(mask)
    kept = keep_largest(mask)
    assert any((kept == part).all() for part in parts) or not mask.any()
    assert kept.sum() == max((part.sum() for part in parts), default=0)


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


@given(masks, st.integers(0, 20))
def test_components_above_an_area(mask: np.ndarray, min_area: int) -> None:
    expected = union(mask, [part for part in pieces(mask) if part.sum() >= min_area])
    np.testing.assert_array_equal(remove_specks(mask, min_area), expected)


@given(masks, st.integers(0, 20))
def test_holes(mask: np.ndarray, max_area: int) -> None:
    # scipy's default structure connects the background by its sides, as holes are here.
    ids, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    holes = [ids == i for i in range(1, count + 1)]
    expected = union(mask, [mask, *(hole for hole in holes if hole.sum() <= max_area)])
    np.testing.assert_array_equal(fill_holes(mask, max_area), expected)


@pytest.mark.parametrize(
    "function",
    [
        keep_largest,
        lambda mask: keep_large(mask, 0.5),
        lambda mask: keep_touching(mask, (0, 0, 3, 3)),
        lambda mask: remove_specks(mask, 3),
        lambda mask: fill_holes(mask, 3),
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


def test_of_equal_components_the_topmost_stays() -> None:
    mask = np.zeros((5, 5), bool)
    mask[4, 0] = mask[1, 3] = True
    assert np.argwhere(keep_largest(mask)).tolist() == [[1, 3]]
