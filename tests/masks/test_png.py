from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from persam_video.errors import AnnotationError, OutputError
from persam_video.masks import davis_palette, read_label_png, write_label_png

label_maps = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


@given(labels=label_maps)
@settings(max_examples=50)
def test_round_trip(tmp_path: Path, labels: np.ndarray) -> None:
    path = tmp_path / "a.png"
    write_label_png(path, labels)
    first = path.read_bytes()
    np.testing.assert_array_equal(read_label_png(path), labels)
    write_label_png(path, np.asfortranarray(labels))
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_indexed_with_the_davis_palette(tmp_path: Path) -> None:
    labels = np.zeros((3, 4), np.uint8)
    labels[1] = 2
    write_label_png(tmp_path / "a.png", labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.mode == "P"
        assert image.size == (4, 3)
        assert image.getpalette() == davis_palette().ravel().tolist()
        assert image.convert("RGB").getpixel((0, 1)) == (0, 128, 0)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_of_fewer_bits(tmp_path: Path, depth: int) -> None:
    labels = np.arange(35, dtype=np.uint8).reshape(5, 7) % (2**depth - 1)
    image = Image.fromarray(labels)
    image.putpalette(davis_palette()[: 2**depth].tobytes())
    image.save(tmp_path / "a.png", bits=depth)
    np.testing.assert_array_equal(read_label_png(tmp_path / "a.png"), labels)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "LA", "I;16"])
def test_other_images_are_refused(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 3)).save(tmp_path / "a.png")
    with pytest.raises(AnnotationError, match="not an indexed PNG"):
        read_label_png(tmp_path / "a.png")


def test_an_indexed_gif_is_refused(tmp_path: Path) -> None:
    Image.new("P", (4, 3)).save(tmp_path / "a.gif")
    with pytest.raises(AnnotationError, match="GIF"):
        read_label_png(tmp_path / "a.gif")


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((3, 4), np.int64),
        np.zeros((3, 4), bool),
        np.zeros((3, 4, 1), np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
)
def test_what_is_no_label_map_is_not_written(tmp_path: Path, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 array of shape"):
        write_label_png(tmp_path / "a.png", labels)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_label_png(tmp_path / "missing" / "a.png", np.zeros((3, 4), np.uint8))
