import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from persam_video.errors import AnnotationError
from persam_video.masks import (
    Annotation,
    davis_palette,
    load_annotation,
    read_annotation,
    write_label_png,
)

Save = Callable[[Path, np.ndarray], None]


def blocks(values: np.ndarray, side: int = 4) -> np.ndarray:
    """Give each value a block of pixels, with a column of background after it."""
    grid = np.zeros((values.shape[0] * side, values.shape[1] * (side + 1)), np.uint8)
    for (row, column), value in np.ndenumerate(values):
        left = column * (side + 1)
        grid[row * side : (row + 1) * side, left : left + side] = value
    return grid


def indexed(path: Path, labels: np.ndarray) -> None:
    write_label_png(path, labels)


def grey(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(labels).save(path)


def grey_16(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(labels.astype(np.uint16)).save(path)


def grey_16_scaled(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(labels.astype(np.uint16) * 257).save(path)


def palette_rgb(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(davis_palette()[labels]).save(path)


def palette_rgba(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(davis_palette()[labels]).convert("RGBA").save(path)


def palette_on_transparent(path: Path, labels: np.ndarray) -> None:
    rgba = np.full((*labels.shape, 4), 255, np.uint8)
    rgba[..., :3] = davis_palette()[labels]
    rgba[labels == 0] = (255, 255, 255, 0)
    Image.fromarray(rgba).save(path)


def palette_bmp(path: Path, labels: np.ndarray) -> None:
    image = Image.fromarray(labels)
    image.putpalette(davis_palette().tobytes())
    image.save(path, format="BMP")


def palette_tiff(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(davis_palette()[labels]).save(path, format="TIFF")


FORMATS: list[Save] = [
    indexed,
    grey,
    grey_16,
    grey_16_scaled,
    palette_rgb,
    palette_rgba,
    palette_on_transparent,
    palette_bmp,
    palette_tiff,
]


@pytest.mark.parametrize("save", FORMATS, ids=lambda save: save.__name__)
@given(
    values=st.lists(st.integers(0, 255), min_size=6, max_size=6).filter(
        lambda values: any(0 < value < 255 for value in values)
    )
)
@settings(max_examples=25)
def test_every_format_gives_the_labels(tmp_path: Path, save: Save, values: list[int]) -> None:
    labels = blocks(np.reshape(values, (2, 3)))
    save(tmp_path / "mask.png", labels)
    annotation = read_annotation(tmp_path / "mask.png", size=labels.shape)
    np.testing.assert_array_equal(annotation.labels, np.where(labels == 255, 0, labels))
    assert annotation.object_ids == tuple(sorted(set(values) - {0, 255}))
    assert annotation.labels.dtype == np.uint8


@pytest.mark.parametrize("save", FORMATS, ids=lambda save: save.__name__)
def test_a_mask_of_0_and_255_has_object_1(tmp_path: Path, save: Save) -> None:
    labels = blocks(np.array([[255, 0], [0, 255]]))
    save(tmp_path / "mask.png", labels)
    annotation = read_annotation(tmp_path / "mask.png")
    np.testing.assert_array_equal(annotation.labels, labels == 255)
    assert annotation.object_ids == (1,)


WHITE = blocks(np.array([[0, 255, 0]]))


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(WHITE).convert("1"),
        Image.fromarray(WHITE).convert("RGB"),
        Image.fromarray(WHITE).convert("LA"),
        Image.merge(
            "RGBA", [Image.new("L", WHITE.shape[::-1], 255)] * 3 + [Image.fromarray(WHITE)]
        ),
        Image.fromarray(WHITE).convert("P"),
        Image.fromarray(np.stack([WHITE, WHITE * 0, WHITE * 0], axis=-1)),
    ],
    ids=["1-bit", "RGB", "grey + alpha", "white on transparent", "grey palette", "red"],
)
def test_one_object_however_it_is_saved(tmp_path: Path, image: Image.Image) -> None:
    image.save(tmp_path / "mask.png")
    annotation = read_annotation(tmp_path / "mask.png", size=WHITE.shape)
    np.testing.assert_array_equal(annotation.labels, WHITE == 255)
    assert annotation.object_ids == (1,)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tif", "webp", "ppm"])
def test_other_lossless_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mask.{suffix}"
    Image.fromarray(WHITE).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert read_annotation(path).labels.sum() == (WHITE == 255).sum()


def test_an_object_may_cover_the_frame(tmp_path: Path) -> None:
    for value, expected in [(255, 1), (7, 7)]:
        grey(tmp_path / "mask.png", np.full((5, 6), value, np.uint8))
        annotation = read_annotation(tmp_path / "mask.png")
        assert annotation.object_ids == (expected,)
        assert (annotation.labels == expected).all()


def test_one_pixel_objects_and_254_of_them(tmp_path: Path) -> None:
    labels = np.zeros((32, 64), np.uint8)
    labels[::2, ::2][:8, :32].flat[:254] = np.arange(1, 255)
    for save in (indexed, grey, palette_rgb):
        save(tmp_path / "mask.png", labels)
        np.testing.assert_array_equal(read_annotation(tmp_path / "mask.png").labels, labels)


RGB = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "yellow": (255, 255, 0),
    "blue": (0, 0, 255),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
    "white": (255, 255, 255),
}


@given(names=st.lists(st.sampled_from(list(RGB)), min_size=2, max_size=7, unique=True))
@settings(max_examples=25)
def test_free_colours_are_numbered_whatever_their_places(tmp_path: Path, names: list[str]) -> None:
    rgb = np.array([(0, 0, 0), *(RGB[name] for name in names)], np.uint8)
    places = blocks(np.arange(1, len(names) + 1)[None])
    Image.fromarray(rgb[places]).save(tmp_path / "mask.png")
    order = sorted(names, key=list(RGB).index)
    expected = np.array([0, *(order.index(name) + 1 for name in names)])
    annotation = read_annotation(tmp_path / "mask.png")
    np.testing.assert_array_equal(annotation.labels, expected[places])


def test_colours_of_the_files_of_davis_2017(tmp_path: Path) -> None:
    colours = np.zeros((256, 3), np.uint8)
    colours[9], colours[18], colours[30], colours[255] = (191, 0, 0), (0, 191, 0), 30, 255
    labels = blocks(np.array([[9, 18, 30, 255]]))
    Image.fromarray(colours[labels]).save(tmp_path / "mask.png")
    annotation = read_annotation(tmp_path / "mask.png")
    assert annotation.object_ids == (9, 18, 30)
    assert not annotation.labels[labels == 255].any()


def test_an_image_that_says_how_to_turn_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    labels = blocks(np.array([[1, 0], [0, 2]]))
    Image.fromarray(labels).save(tmp_path / "mask.png", exif=exif)
    annotation = read_annotation(tmp_path / "mask.png", size=labels.shape[::-1])
    np.testing.assert_array_equal(annotation.labels, np.rot90(labels, -1))


# What is refused


def disc(radius: int = 20, size: tuple[int, int] = (64, 80)) -> np.ndarray:
    return cv2.circle(np.zeros(size, np.uint8), (40, 32), radius, 255, -1)


def two_discs(smooth: bool) -> np.ndarray:
    image = np.zeros((96, 128, 3), np.uint8)
    line = cv2.LINE_AA if smooth else cv2.LINE_8
    cv2.circle(image, (40, 50), 25, (255, 0, 0), -1, line)
    cv2.circle(image, (90, 50), 25, (0, 0, 255), -1, line)
    return image


def halved(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def on_alpha(colour: int, alpha: np.ndarray) -> Image.Image:
    flat = Image.new("L", alpha.shape[::-1], colour)
    return Image.merge("RGBA", [flat, flat, flat, Image.fromarray(alpha)])


def swapped_palette() -> Image.Image:
    image = Image.fromarray((disc() == 0).astype(np.uint8))
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


ROUND = disc()
REFUSED = {
    "empty": (Image.fromarray(ROUND * 0), "no object"),
    "empty colour": (Image.new("RGB", (80, 64)), "no object"),
    "all transparent": (on_alpha(255, ROUND * 0), "no object"),
    "smooth edges": (Image.fromarray(cv2.GaussianBlur(ROUND, (3, 3), 0)), "along edges"),
    "halved": (Image.fromarray(halved(ROUND)), "along edges"),
    "one level between": (
        Image.fromarray(np.maximum(ROUND, cv2.dilate(ROUND, np.ones((3, 3))) // 2)),
        "along edges",
    ),
    "smooth colours": (Image.fromarray(two_discs(smooth=True)), "blended edges|along edges"),
    "smooth colours, quantised": (
        Image.fromarray(two_discs(smooth=True)).quantize(16),
        "along edges|background is in doubt",
    ),
    "smooth 16 bits": (
        Image.fromarray(cv2.GaussianBlur(ROUND, (3, 3), 0).astype(np.uint16) * 257),
        "along edges",
    ),
    "smooth alpha": (on_alpha(255, cv2.GaussianBlur(ROUND, (5, 5), 0)), "levels of transparency"),
    "black on transparent": (on_alpha(0, ROUND), "differs in transparency only"),
    "half transparent": (on_alpha(255, ROUND // 2 + 100), "differs in transparency only"),
    "white is index 0": (swapped_palette(), "background is in doubt"),
    "no black": (
        Image.fromarray(np.where(ROUND[..., None] > 0, (255, 0, 0), (0, 255, 0)).astype(np.uint8)),
        "none is black",
    ),
    "photo": (
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)),
        "colours, more than objects",
    ),
    "16-bit values": (Image.fromarray(np.full((64, 80), 1000, np.uint16)), "from 1000 to 1000"),
    "gradient": (Image.linear_gradient("L"), "256 grey levels"),
}


@pytest.mark.parametrize(("image", "message"), REFUSED.values(), ids=REFUSED)
def test_masks_that_leave_doubt(tmp_path: Path, image: Image.Image, message: str) -> None:
    path = tmp_path / "mask.png"
    image.save(path)
    with pytest.raises(AnnotationError, match=message) as raised:
        read_annotation(path)
    text = str(raised.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("count", "message"), [(255, "255 objects; 254 at most"), (256, "257 colours")]
)
def test_more_objects_than_labels(tmp_path: Path, count: int, message: str) -> None:
    colours = np.zeros((257, 3), np.uint8)
    colours[1:, 0] = np.arange(256)
    colours[1:, 1] = 33
    places = blocks(np.arange(256).reshape(16, 16)).astype(int)
    places += places >= 1  # block 0 and the columns between stay background
    places[places > count] = 0
    rgb = colours[places]
    rgb[0, 0] = colours[1]
    Image.fromarray(rgb).save(tmp_path / "mask.png")
    with pytest.raises(AnnotationError, match=message):
        read_annotation(tmp_path / "mask.png")


@pytest.mark.parametrize("quality", [50, 95, 100])
def test_jpeg(tmp_path: Path, quality: int) -> None:
    path = tmp_path / "mask.jpg"
    Image.fromarray(two_discs(smooth=False)).save(path, quality=quality)
    with pytest.raises(AnnotationError, match=r"JPEG.*save the mask as PNG"):
        read_annotation(path)


def test_a_jpeg_that_is_black_and_white_after_all(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[16:40, 8:32] = 255  # whole blocks of 8 pixels
    Image.fromarray(mask).save(tmp_path / "mask.jpg", quality=100)
    assert read_annotation(tmp_path / "mask.jpg").labels.sum() == 24 * 24


def test_another_size(tmp_path: Path) -> None:
    indexed(tmp_path / "mask.png", np.ones((64, 80), np.uint8))
    message = "is 80x64 pixels where the frame is 854x480 .*nearest neighbour"
    with pytest.raises(AnnotationError, match=message):
        read_annotation(tmp_path / "mask.png", size=(480, 854))


def gif_of_two() -> bytes:
    file = io.BytesIO()
    first, second = Image.fromarray(ROUND), Image.fromarray(ROUND.T.copy().reshape(ROUND.shape))
    first.save(file, format="GIF", save_all=True, append_images=[second])
    return file.getvalue()


def png_bytes() -> bytes:
    file = io.BytesIO()
    Image.fromarray(two_discs(smooth=False)).save(file, format="PNG")
    return file.getvalue()


def bomb() -> bytes:
    """Claim 100,000 x 100,000 pixels in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.png", b"", "0 bytes"),
        ("text.png", b"not an image", "damaged, or not an image"),
        ("clip.mp4", b"\0\0\0\x18ftypmp42", "a video where an image is expected"),
        ("cut.png", png_bytes()[:120], "damaged"),
        ("flipped.png", png_bytes()[:60] + b"\xff" * 20 + png_bytes()[80:], "damaged"),
        ("two.gif", gif_of_two(), "holds 2 pictures"),
        ("bomb.png", bomb(), "million pixels"),
        ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_files_that_are_no_mask(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message) as raised:
        read_annotation(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.png", "no such file"),
        ("", "contains no annotations"),
        ("x" * 300, "cannot be read"),
        ("a\0b.png", "cannot be read"),
    ],
)
def test_paths_that_are_no_file(tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_annotation(tmp_path / path)


@given(data=st.data())
@settings(max_examples=60)
def test_damaged_files_give_an_annotation_or_one_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(png_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "mask.png").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        read_annotation(tmp_path / "mask.png")
    except AnnotationError as error:
        assert "\n" not in str(error)


# Arrays


@pytest.mark.parametrize(
    ("array", "ids"),
    [
        (np.array([[False, True]]), (1,)),
        (np.array([[0, 255]], np.uint8), (1,)),
        (np.array([[0, 3, 255]], np.uint8), (3,)),
        (np.array([[0, 3, 9, 9]], np.int64), (3, 9)),
        (np.arange(256).reshape(16, 16), tuple(range(1, 255))),
    ],
)
def test_arrays(array: np.ndarray, ids: tuple[int, ...]) -> None:
    annotation = Annotation.from_labels(array)
    assert annotation.object_ids == ids
    assert annotation.size == array.shape
    assert sum(annotation.mask(i).sum() for i in ids) == np.count_nonzero(annotation.labels)


def test_an_annotation_is_a_copy_that_does_not_change() -> None:
    array = np.ones((4, 5), np.uint8)
    annotation = Annotation.from_labels(array)
    array[:] = 2
    assert (annotation.labels == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        annotation.labels[0, 0] = 3


def test_load_takes_a_path_an_array_or_an_annotation(tmp_path: Path) -> None:
    labels = blocks(np.array([[1, 5]]))
    indexed(tmp_path / "mask.png", labels)
    annotation = Annotation.from_labels(labels)
    for mask in (tmp_path / "mask.png", str(tmp_path / "mask.png"), labels, annotation):
        loaded = load_annotation(mask, labels.shape)
        np.testing.assert_array_equal(loaded.labels, labels)
        with pytest.raises(AnnotationError, match="nearest neighbour"):
            load_annotation(mask, (3, 3))
        with pytest.raises(AnnotationError, match="turn it by 90°"):
            load_annotation(mask, labels.shape[::-1])
    assert load_annotation(annotation) is annotation


# Real masks


def test_real_annotations_are_read(shared_data: Path) -> None:
    schoolgirls = read_annotation(shared_data / "clips/schoolgirls/00000.png", size=(240, 432))
    assert schoolgirls.object_ids == tuple(range(1, 8))
    dog = read_annotation(shared_data / "davis/Annotations/480p/dog/00000.png", size=(480, 854))
    assert dog.object_ids == (1,)
    for path in sorted((shared_data / "train/masks").glob("*.png"))[::100]:
        assert read_annotation(path).object_ids


def test_a_real_annotation_resized_smoothly_is_refused(shared_data: Path, tmp_path: Path) -> None:
    mask = cv2.imread(str(shared_data / "davis/Annotations/480p/dog/00000.png"), 0)
    for way in (cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4):
        cv2.imwrite(str(tmp_path / "mask.png"), cv2.resize(mask, (640, 360), interpolation=way))
        with pytest.raises(AnnotationError, match="along edges"):
            read_annotation(tmp_path / "mask.png")
