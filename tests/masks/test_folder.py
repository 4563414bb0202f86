"""What the values of a folder's masks mean."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.errors import AnnotationError
from persam_video.masks import davis_palette, write_label_png
from persam_video.masks.folder import MaskFiles


def labels(*values: int) -> np.ndarray:
    """Return one block of pixels for each value, with background between them."""
    return np.kron(np.array([[0, *values, 0]]), np.ones((4, 4))).astype(np.uint8)


def indexed(path: Path, values: np.ndarray) -> None:
    write_label_png(path, values)


def grey(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(path)


def grey_16(path: Path, values: np.ndarray) -> None:
    Image.fromarray(values.astype(np.uint16)).save(path)


def rgb(path: Path, values: np.ndarray) -> None:
    colours = davis_palette().copy()
    colours[255] = 255
    Image.fromarray(colours[values]).save(path)


def saved(folder: Path, save, *frames: np.ndarray) -> list[Path]:
    paths = [folder / f"{number:05d}.png" for number in range(len(frames))]
    for path, values in zip(paths, frames, strict=True):
        save(path, values)
    return paths


SAVE = pytest.mark.parametrize("save", [indexed, grey, grey_16, rgb])


@SAVE
def test_255_is_the_object_where_no_file_has_another(tmp_path: Path, save) -> None:
    paths = saved(tmp_path, save, labels(255), labels(0), labels(0, 255))
    files = MaskFiles(paths)
    for path, values in zip(paths, (labels(255), labels(0), labels(0, 255)), strict=True):
        np.testing.assert_array_equal(files.read(path), values > 0)


@SAVE
def test_255_is_void_in_every_file_where_one_has_another(tmp_path: Path, save) -> None:
    paths = saved(tmp_path, save, labels(255), labels(3, 255))
    files = MaskFiles(paths)
    assert not files.read(paths[0]).any()
    np.testing.assert_array_equal(files.read(paths[1]), labels(3, 0))


@SAVE
def test_masks_without_an_object_are_refused(tmp_path: Path, save) -> None:
    with pytest.raises(AnnotationError, match="no object in any of 2 masks"):
        MaskFiles(saved(tmp_path, save, labels(0), labels(0)))


def test_colours_whose_numbers_depend_on_the_file_are_refused(tmp_path: Path) -> None:
    def free(path: Path, values: np.ndarray) -> None:
        colours = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0)], np.uint8)
        Image.fromarray(colours[values]).save(path)

    with pytest.raises(AnnotationError, match=r"00000\.png.*not of the DAVIS palette"):
        MaskFiles(saved(tmp_path, free, labels(1), labels(1, 2)))


@pytest.mark.parametrize(
    ("header", "stored"),
    [(b"P5 12 1 3\n", (1, 2, 3)), (b"P5 12 1 15\n", (1, 9, 14)), (b"P5 12 1 100\n", (1, 2, 99))],
)
def test_grey_values_of_few_levels_are_the_ids(
    tmp_path: Path, header: bytes, stored: tuple[int, ...]
) -> None:
    values = [0, *(value for value in stored for _ in range(3)), 0, 0]
    (tmp_path / "a.pgm").write_bytes(header + bytes(values))
    found = MaskFiles([tmp_path / "a.pgm"]).read(tmp_path / "a.pgm")
    np.testing.assert_array_equal(found, [values])
