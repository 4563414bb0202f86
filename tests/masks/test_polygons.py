"""Polygons of masks, filled again and compared."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from persam_video.masks.polygons import filled, outlines, part_polygons, polygon

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def winding(lines, shape):
    """How often the lines go around the centre of each pixel."""
    total = np.zeros(shape, int)
    columns = np.arange(shape[1]) + 0.5
    for line in lines:
        for (x0, y0), (x1, y1) in zip(line, np.roll(line, -1, axis=0), strict=True):
            for row in range(shape[0]):
                middle = row + 0.5
                if min(y0, y1) < middle < max(y0, y1):
                    x = x0 + (x1 - x0) * (middle - y0) / (y1 - y0)
                    total[row] += np.where(columns > x, np.sign(y0 - y1).astype(int), 0)
    return total


@settings(max_examples=150)
@given(MASKS)
def test_outlines_go_round_the_mask_once_and_in_one_direction(mask):
    np.testing.assert_array_equal(winding(outlines(mask), mask.shape), mask.astype(int))


@settings(max_examples=100)
@given(MASKS)
def test_one_polygon_encloses_the_mask_by_either_rule(mask):
    np.testing.assert_array_equal(winding([polygon(mask)], mask.shape), mask.astype(int))


@settings(max_examples=60)
@given(MASKS)
def test_the_polygons_of_the_parts_make_up_the_mask(mask):
    np.testing.assert_array_equal(winding(part_polygons(mask), mask.shape), mask.astype(int))


@settings(max_examples=150)
@given(MASKS)
def test_a_polygon_is_filled_again_to_the_mask(mask):
    np.testing.assert_array_equal(filled(polygon(mask), mask.shape), mask)


@settings(max_examples=100)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 8), st.just(2)), elements=st.floats(-30, 30)),
    st.tuples(st.integers(1, 14), st.integers(1, 14)),
)
def test_any_polygon_is_filled_by_the_even_odd_rule(points, size):
    wanted = np.zeros(size, bool)
    for triangle in zip(points[:1].repeat(len(points), axis=0), points, points[1:], strict=False):
        wanted ^= filled(np.array(triangle), size)
    np.testing.assert_array_equal(filled(points, size), wanted)


def test_many_points_are_filled_part_by_part():
    size, count = (1200, 40), 1001
    rows = np.arange(count) % 2 * 1100.3 + 20.2
    points = np.stack((np.linspace(1, 39, count), rows), axis=1)
    wanted = np.zeros(size, bool)
    for place in range(1, count - 1):
        wanted ^= filled(points[[0, place, place + 1]], size)
    assert count * 1100 > 1 << 20  # crossings, which are not worked out all at once
    np.testing.assert_array_equal(filled(points, size), wanted)


def test_a_ring_is_two_lines_and_one_polygon():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[3:6, 3:6] = False
    assert sorted(len(line) for line in outlines(mask)) == [4, 4]
    assert len(polygon(mask)) == 10  # four corners each, and both ends of the cut once more
    assert len(part_polygons(mask)) == 1


def test_tolerance_saves_points_and_stays_near_the_edge():
    rows, columns = np.mgrid[:80, :80]
    disc = (rows - 40) ** 2 + (columns - 38) ** 2 < 900
    exact, fewer = polygon(disc), polygon(disc, tolerance=1.0)
    assert len(fewer) < len(exact) / 3
    seen = winding([fewer], disc.shape) != 0
    assert (seen & disc).sum() / (seen | disc).sum() > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (5, 7)])
def test_an_empty_mask_has_no_lines(shape):
    assert outlines(np.zeros(shape, bool)) == []
    assert polygon(np.zeros(shape, bool)).shape == (0, 2)
    assert part_polygons(np.zeros(shape, bool)) == []
