"""Pictures of any kind as frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from persam_video.errors import SourceError
from persam_video.video import FrameStream
from persam_video.video.image_decoder import read_image
from persam_video.video.pixels import as_rgb

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)

ACCEPTED: dict[str, tuple[Any, np.ndarray]] = {
    "array": (RGB, RGB),
    "strided array": (RGB[::2, ::-1], RGB[::2, ::-1]),
    "read-only array": (np.frombuffer(RGB.tobytes(), np.uint8).reshape(RGB.shape), RGB),
    "PIL": (Image.fromarray(RGB), RGB),
    "PIL RGBA": (Image.fromarray(np.dstack([RGB, RGB[..., 0]])), RGB),
    "PIL grey": (Image.fromarray(RGB[..., 0].copy()), np.dstack([RGB[..., 0]] * 3)),
    "PIL CMYK": (Image.new("CMYK", (8, 6)), np.full_like(RGB, 255)),
    "tensor": (torch.from_numpy(RGB), RGB),
    "planar tensor": (torch.from_numpy(RGB).permute(2, 0, 1), RGB),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_unambiguous_is_a_frame(name: str) -> None:
    picture, expected = ACCEPTED[name]
    rgb = as_rgb(picture)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert rgb.flags.writeable
    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_a_frame_is_a_copy(convert: Callable[[np.ndarray], Any]) -> None:
    buffer = RGB.copy()
    rgb = as_rgb(convert(buffer))
    buffer[:] = 0
    np.testing.assert_array_equal(rgb, RGB)


REFUSED: dict[str, tuple[Any, str]] = {
    "floats": (RGB / 255, r"float64 of shape \(6, 8, 3\); give uint8 RGB .*255 \* frame"),
    "half floats": (torch.zeros(3, 6, 8).half(), "float16 of shape"),
    "NaN": (np.full((6, 8, 3), np.nan, np.float32), r"float32 of shape \(6, 8, 3\)"),
    "uint16": (RGB.astype(np.uint16), r"uint16 of shape \(6, 8, 3\)"),
    "bool": (RGB > 9, r"bool of shape"),
    "grey": (RGB[..., 0], r"uint8 of shape \(6, 8\); .* if it is grey"),
    "grey with an axis": (RGB[..., :1], r"uint8 of shape \(6, 8, 1\)"),
    "RGBA": (np.dstack([RGB, RGB[..., 0]]), r"shape \(6, 8, 4\); .* if it is RGBA"),
    "planar": (RGB.transpose(2, 0, 1), r"shape \(3, 6, 8\); .*transpose\(1, 2, 0\)"),
    "several": (RGB[None], r"\(1, 6, 8, 3\); .*one frame at a time"),
    "empty": (RGB[:0], r"\(0, 8, 3\)"),
    "objects": (np.array([None]), "object of shape"),
    "list": (RGB.tolist(), "is of type list"),
    "path": ("frame.png", "is of type str"),
    "nothing": (None, "is of type NoneType"),
    "masked array": (np.ma.masked_greater(RGB, 9), "is of type MaskedArray"),
    "sparse tensor": (torch.from_numpy(RGB).to_sparse(), "Tensor .*sparse_coo"),
    "tensor without values": (torch.zeros(6, 8, 3, device="meta"), "Tensor .*on meta"),
}


def test_a_closed_picture_is_one_line(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as closed:
        pass
    with pytest.raises(SourceError, match="the frame: cannot be read"):
        as_rgb(closed)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named_in_one_line(name: str) -> None:
    picture, message = REFUSED[name]
    with pytest.raises(SourceError, match=message) as raised:
        as_rgb(picture)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


# Values of more than 8 bits


def ramp(bits: int, colours: bool) -> np.ndarray:
    """Return values from 0 to the largest of ``bits``, as uint16."""
    values = np.linspace(0, 2**bits - 1, 16 * 16).round().astype(np.uint16).reshape(16, 16)
    return np.dstack([values, values.T, values[::-1]]) if colours else values


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("colours", [False, True], ids=["grey", "colours"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_the_range_in_use_becomes_8_bits(
    tmp_path: Path, bits: int, colours: bool, suffix: str
) -> None:
    values = ramp(bits, colours)
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), values[..., ::-1] if colours else values)
    warnings: list[str] = []
    rgb = read_image(path, warnings.append)
    expected = values / (2**bits - 1) * 255
    assert np.abs(rgb - (expected if colours else expected[..., None])).max() <= 0.51
    assert len(warnings) == (bits not in (8, 16))
    assert all(f"uses {bits} of its bits" in warning for warning in warnings)


def test_frames_of_one_source_share_their_range(tmp_path: Path) -> None:
    for number, white in enumerate((200, 4095, 1000)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((6, 8), white, np.uint16))
    with FrameStream(tmp_path) as stream:
        levels = [int(frame.rgb[0, 0, 0]) for frame in stream]
        warnings = stream.warnings
    assert levels == [12, 255, 62]
    assert len(warnings) == 1
    assert "uses 12 of its bits" in warnings[0]


def test_a_deep_photo_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * 80
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    rgb = read_image(tmp_path / "a.png", lambda _: None)
    assert rgb.shape == (8, 6, 3)
    np.testing.assert_allclose(rgb[..., 0], np.rot90(values, -1) / 4095 * 255, atol=0.51)
