import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from persam_video.davis import labels as module
from persam_video.davis.labels import read_labels
from persam_video.errors import DatasetError

LABELS = np.arange(20, dtype=np.uint8).reshape(4, 5)


def save(path, mode, array=LABELS, **options):
    image = Image.fromarray(array)
    if mode == "P":
        image.putpalette(list(range(256)) * 3)
    else:
        image = image.convert(mode)
    image.save(path, **options)


@pytest.mark.parametrize("mode", ["P", "L"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"bits": 8}, {"compress_level": 0}])
def test_indexed_and_grey_images_are_read_as_they_are(tmp_path, mode, options):
    save(tmp_path / "a.png", mode, **options)
    assert np.array_equal(read_labels(tmp_path / "a.png"), LABELS)


def test_a_bilevel_image_has_labels_0_and_1(tmp_path):
    save(tmp_path / "a.png", "1", (LABELS > 9).astype(np.uint8) * 255)
    found = read_labels(tmp_path / "a.png")
    assert found.dtype == np.uint8
    assert np.array_equal(found, LABELS > 9)


def test_grey_values_with_transparency_are_labels(tmp_path):
    alpha = np.where(LABELS % 2, 255, 0).astype(np.uint8)
    Image.fromarray(np.stack([LABELS, alpha], axis=2), "LA").save(tmp_path / "a.png")
    found = read_labels(tmp_path / "a.png")
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.where(LABELS % 2, LABELS, 0))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png(array: np.ndarray, filters: np.ndarray, split: int) -> bytes:
    """Encode rows with the given filter bytes (0 none, 1 sub, 2 up) and the data in two chunks."""
    rows = np.zeros((array.shape[0], array.shape[1] + 1), np.uint8)
    rows[:, 0] = filters
    above = np.zeros_like(array[0])
    for row, kind, labels in zip(rows, filters, array, strict=True):
        left = np.r_[np.uint8(0), labels[:-1]]
        row[1:] = labels - (left if kind == 1 else above if kind == 2 else 0)
        above = labels
    data = zlib.compress(rows.tobytes())
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", data[:split])
        + chunk(b"IDAT", data[split:])
        + chunk(b"IEND", b"")
    )


@settings(max_examples=40)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6))),
    st.integers(0, 8),
    st.data(),
)
def test_both_decoders_agree_on_any_png(tmp_path_factory, array, split, data):
    filters = np.array(
        data.draw(
            st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=len(array), max_size=len(array))
        )
    )
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(png(array, filters, split))
    plain = module._decode_plain_png(path.read_bytes())
    assert (plain is None) == bool(filters.any())
    assert np.array_equal(read_labels(path), array)
    assert np.array_equal(module._decode(path), array)


def broken_checksum(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: (path.unlink(), path.mkdir()), r"cannot be read \(Is a directory\)"),
        (lambda path: path.write_text("not an image"), r"cannot be read \(damaged, or not"),
        (lambda path: path.write_bytes(b""), r"cannot be read \(damaged: 0 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:50]), r"cannot be read \(damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), r"cannot be read \(damaged"),
        (
            lambda path: path.write_bytes(broken_checksum(path.read_bytes())),
            r"cannot be read \(damaged",
        ),
        (lambda path: save(path, "RGB"), "a RGB image; labels must be an indexed or grey 8-bit"),
        (lambda path: save(path, "RGBA"), "a RGBA image"),
        (lambda path: save(path, "L", format="JPEG"), "a JPEG image; labels must be an indexed"),
        (lambda path: Image.new("LA", (5, 4), (3, 99)).save(path), "is partly transparent"),
        (lambda path: save(path, "I;16", LABELS.astype(np.uint16)), "a I(;16)? image"),
        (lambda path: save(path, "L", LABELS[:, :4]), "4x4 pixels where the annotation has 5x4"),
    ],
)
@pytest.mark.parametrize("mode", ["P", "L"])
def test_what_would_have_to_be_guessed_at_is_refused_by_name(tmp_path: Path, mode, spoil, message):
    path = tmp_path / "00007.png"
    save(path, mode)
    spoil(path)
    with pytest.raises(DatasetError, match=f"00007.png: {message}") as caught:
        read_labels(path, (4, 5))
    assert "\n" not in str(caught.value)


def test_a_file_that_claims_an_absurd_size_is_refused(tmp_path):
    data = bytearray(png(LABELS, np.zeros(4), 5))
    data[16:24] = struct.pack(">II", 60000, 60000)
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DatasetError, match="too large to be read safely"):
        read_labels(tmp_path / "a.png")


def test_no_other_format_is_tried(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(path, "EPS")  # read by starting Ghostscript
    with pytest.raises(DatasetError, match=r"cannot be read \(damaged"):
        read_labels(path)
