import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam_video.masks import davis_palette
from persam_video.masks.palette import colour_rank


@pytest.mark.parametrize(
    ("label", "colour"),
    [
        (0, (0, 0, 0)),
        (1, (128, 0, 0)),
        (2, (0, 128, 0)),
        (3, (128, 128, 0)),
        (4, (0, 0, 128)),
        (7, (128, 128, 128)),
        (8, (64, 0, 0)),
        (9, (192, 0, 0)),
        (21, (128, 64, 128)),
        (255, (224, 224, 192)),
    ],
)
def test_known_colours(label: int, colour: tuple[int, int, int]) -> None:
    assert tuple(davis_palette()[label]) == colour


def test_the_palette_is_one_table_of_different_colours() -> None:
    palette = davis_palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert len(np.unique(palette, axis=0)) == 256
    assert not palette.flags.writeable


def test_the_rank_of_a_palette_colour_is_its_label() -> None:
    np.testing.assert_array_equal(colour_rank(davis_palette()), np.arange(256))


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=2, unique=True))
def test_different_colours_have_different_ranks(colours: list[tuple[int, int, int]]) -> None:
    first, second = colour_rank(colours).tolist()
    assert first != second


def test_the_rank_orders_primary_colours() -> None:
    red, green, yellow, blue = (255, 0, 0), (0, 255, 0), (255, 255, 0), (0, 0, 255)
    magenta, cyan, white = (255, 0, 255), (0, 255, 255), (255, 255, 255)
    ranks = colour_rank([red, green, yellow, blue, magenta, cyan, white])
    assert (np.diff(ranks) > 0).all()
