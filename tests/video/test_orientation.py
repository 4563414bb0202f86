import numpy as np
import pytest
from numpy.typing import NDArray

from persam_video.video.orientation import Orientation

ONE = 1 << 16


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32).tobytes()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((ONE, 0, 0, ONE), lambda rgb: rgb),
        ((0, ONE, -ONE, 0), lambda rgb: np.rot90(rgb, -1)),  # a phone held upright
        ((-ONE, 0, 0, -ONE), lambda rgb: np.rot90(rgb, 2)),
        ((0, -ONE, ONE, 0), np.rot90),
        ((-ONE, 0, 0, ONE), lambda rgb: rgb[:, ::-1]),
        ((ONE, 0, 0, -ONE), lambda rgb: rgb[::-1]),
        ((0, ONE, ONE, 0), lambda rgb: rgb.transpose(1, 0, 2)),
        ((0, -ONE, -ONE, 0), lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2)),
        ((ONE, 900, -900, ONE), lambda rgb: rgb),  # not quite a quarter turn
        ((0, 0, 0, 0), lambda rgb: rgb),
    ],
)
def test_places_the_picture(
    values: tuple[int, int, int, int], expected, corners: NDArray[np.uint8]
) -> None:
    orientation = Orientation.from_display_matrix(matrix(*values))
    shown = orientation.apply(corners)
    np.testing.assert_array_equal(shown, expected(corners))
    assert shown.flags.c_contiguous
    assert orientation.size(192, 128) == (shown.shape[1], shown.shape[0])
    determinant = values[0] * values[3] - values[1] * values[2]
    assert orientation.mirrors == (determinant < 0)


@pytest.mark.parametrize("degrees", [-270, -180, -90, -89, 0, 1, 90, 180, 270])
def test_turns_by_an_angle(degrees: int, corners: NDArray[np.uint8]) -> None:
    orientation = Orientation.from_rotation(degrees)
    np.testing.assert_array_equal(
        orientation.apply(corners), np.rot90(corners, round(degrees / 90))
    )
    assert not orientation.mirrors
