"""Masks among the frames of a folder are told; ordinary folders are left in peace."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from persam_video.errors import SourceError
from persam_video.images import ReferenceFiles, segment
from persam_video.masks.png import write_label_png
from persam_video.video import FrameStream

FRAMES = 5
SIZE = 240, 320


def photo(seed: int) -> Image.Image:
    """Return an image with the shades of a photo."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize(SIZE[::-1], Image.Resampling.BICUBIC)


def labels(seed: int) -> NDArray[np.uint8]:
    made = np.zeros(SIZE, np.uint8)
    made[50:150, 25 + 5 * seed : 125 + 5 * seed] = 1
    made[160:220, 100:200] = 2
    return made


def indexed(path: Path, seed: int) -> None:
    write_label_png(path, labels(seed))


def white(path: Path, seed: int) -> None:
    Image.fromarray((labels(seed) > 0).astype(np.uint8) * 255).save(path)


def colours(path: Path, seed: int) -> None:
    Image.fromarray(np.eye(3, dtype=np.uint8)[labels(seed)] * 200).save(path)


def matte(path: Path, seed: int) -> None:
    photo(seed + 100).convert("L").save(path)


def another_photo(path: Path, seed: int) -> None:
    photo(seed + 100).save(path)


def same_photo(path: Path, seed: int) -> None:
    photo(seed).save(path)


def folder_of(
    folder: Path, frame: str, mask: str, write: Callable[[Path, int], None], masks: int = FRAMES
) -> Path:
    for index in range(FRAMES):
        photo(index).save(folder / frame.format(index))
        if index < masks:
            write(folder / mask.format(index), index)
    return folder


@pytest.mark.parametrize("write", [indexed, white, colours, matte])
@pytest.mark.parametrize(
    ("frame", "mask"),
    [
        ("{:05d}.jpg", "{:05d}.png"),
        ("{:05d}.jpg", "{:05d}_mask.png"),
        ("{:05d}.png", "{:05d}_mask.png"),
        ("{:05d}.PNG", "mask_{:05d}.tif"),
        ("{:05d}.jpg", "{:05d}-gt.jpg"),
        ("IMG_{}.JPG", "img_{}.Label.bmp"),
        ("frame_{}.jpg", "object {}.png"),
    ],
)
def test_a_folder_that_holds_masks_too_is_refused(
    tmp_path: Path, frame: str, mask: str, write: Callable[[Path, int], None]
) -> None:
    if write is indexed and not mask.endswith(".png"):
        pytest.skip("write_label_png writes PNG")
    folder_of(tmp_path, frame, mask, write)
    with pytest.raises(SourceError, match=r"masks beside the frames .*; move the masks") as caught:
        FrameStream(tmp_path)
    assert "\n" not in str(caught.value)
    if mask[-4:].lower() != frame[-4:].lower():
        glob = str(caught.value).partition("only the frames: '")[2].rstrip("'")
        with FrameStream(glob) as stream:
            assert (len(list(stream)), stream.warnings) == (FRAMES, [])


def test_one_mask_of_the_first_frame_is_found(tmp_path: Path) -> None:
    folder_of(tmp_path, "{:05d}.jpg", "{:05d}.png", indexed, masks=1)
    with pytest.raises(SourceError, match=r"00000\.png beside 00000\.jpg"):
        FrameStream(tmp_path)


def test_a_glob_says_what_is_wanted_and_is_warned_of(tmp_path: Path) -> None:
    folder_of(tmp_path, "{:05d}.jpg", "{:05d}_mask.png", indexed)
    with FrameStream(str(tmp_path / "*")) as stream:
        assert len(list(stream)) == 2 * FRAMES
        assert any("masks beside the frames" in warning for warning in stream.warnings)


def test_masks_alone_are_frames(tmp_path: Path) -> None:
    for index in range(FRAMES):
        indexed(tmp_path / f"{index:05d}_mask.png", index)
    with FrameStream(tmp_path) as stream:
        assert (len(list(stream)), stream.warnings) == (FRAMES, [])


@pytest.mark.parametrize(
    ("frame", "mask", "write"),
    [
        ("{:05d}.jpg", "{:05d}.png", same_photo),
        ("{:05d}.jpg", "{:05d}.png", another_photo),
        ("cat_{}.jpg", "cat_{}_mask.jpg", another_photo),
        ("a{}.jpg", "b{}.png", another_photo),
        ("a{}.jpg", "b{}.png", lambda path, seed: photo(seed).quantize(200).save(path)),
        ("a{}.png", "b{}.png", white),
        ("a{}.jpg", "masked{}.jpg", another_photo),
    ],
)
def test_ordinary_folders_are_read(
    tmp_path: Path, frame: str, mask: str, write: Callable[[Path, int], None]
) -> None:
    folder_of(tmp_path, frame, mask, write)
    with FrameStream(tmp_path) as stream:
        assert len(list(stream)) == 2 * FRAMES


def test_black_frames_and_damaged_files_do_not_matter(tmp_path: Path) -> None:
    folder_of(tmp_path, "{:05d}.jpg", "{:05d}_mask.png", white)
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "00000.jpg")
    (tmp_path / "00003_mask.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match="masks beside the frames"):
        FrameStream(tmp_path)


def test_photos_with_masks_beside_them_are_not_segmented(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    folder_of(photos, "{:05d}.jpg", "{:05d}_mask.png", white, masks=1)
    given = ReferenceFiles(photos / "00000.jpg", photos / "00000_mask.png")
    with pytest.raises(SourceError, match=r"name only the frames: '.*jpg'"):
        segment([given], [photos], tmp_path / "out")
    assert not (tmp_path / "out").exists()
