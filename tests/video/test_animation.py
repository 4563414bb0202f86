"""Image files that hold several pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.errors import AnnotationError, SourceError
from persam_video.masks import read_annotation
from persam_video.video import FrameStream
from persam_video.video.image_decoder import read_image

LEVELS = (20, 60, 100, 140, 180)
DURATIONS = [40, 80, 40, 200, 100]  # ms


def pictures(levels: tuple[int, ...] = LEVELS) -> list[Image.Image]:
    """Return pictures whose grey level tells them apart, with a corner that stays."""
    images = []
    for level in levels:
        image = Image.new("RGB", (32, 24), (level, level, level))
        image.putpixel((0, 0), (255, 0, 0))
        images.append(image)
    return images


def save(path: Path, duration: list[int] | int | None = None, **options: object) -> Path:
    first, *others = pictures()
    timed = {} if duration is None else {"duration": duration}
    first.save(path, save_all=True, append_images=others, **timed, **options)
    return path


def read(path: Path, **options) -> tuple[list[int], list[float]]:
    with FrameStream(path, **options) as stream:
        frames = list(stream)
    return [int(frame.rgb[12, 16, 0]) for frame in frames], [round(f.time, 3) for f in frames]


def read_with_warnings(path: Path) -> tuple[int, list[str]]:
    with FrameStream(path) as stream:
        return len(list(stream)), list(stream.warnings)


ANIMATED = pytest.mark.parametrize(
    ("name", "options"),
    [("a.webp", {"lossless": True}), ("a.png", {}), ("A.PNG", {"format": "PNG"}), ("a.gif", {})],
)


@ANIMATED
def test_every_picture_is_a_frame_with_its_time(tmp_path: Path, name: str, options: dict) -> None:
    levels, times = read(save(tmp_path / name, DURATIONS, **options))
    assert np.allclose(levels, LEVELS, atol=1)
    assert times == [0, 0.04, 0.12, 0.16, 0.36]


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "TIFF"])
def test_a_file_without_a_suffix_is_known_by_its_contents(tmp_path: Path, kind: str) -> None:
    levels, _ = read(save(tmp_path / "noname", format=kind, lossless=True))
    assert np.allclose(levels, LEVELS, atol=1)


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_an_even_animation_has_its_rate(tmp_path: Path, name: str) -> None:
    with FrameStream(save(tmp_path / name, 50, lossless=True)) as stream:
        info = stream.info
    assert (info.fps, info.variable_frame_rate) == (20, False)
    assert (info.frame_count, info.duration) == (5, 0.25)


def test_a_picture_without_a_time_is_shown_as_browsers_do(tmp_path: Path) -> None:
    _, times = read(save(tmp_path / "a.png"))
    assert times == [0, 0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_the_pages_of_a_tiff_are_frames(tmp_path: Path, compression: str) -> None:
    path = save(tmp_path / "a.tiff", compression=compression)
    levels, times = read(path)
    assert np.allclose(levels, LEVELS, atol=3)
    assert times == [round(number / 24, 3) for number in range(5)]
    assert read(path, start=1, stop=4, stride=2)[0] == [levels[1], levels[3]]


def test_smaller_copies_and_masks_of_a_page_are_no_frames(tmp_path: Path) -> None:
    page, copy, mask = *pictures()[:2], Image.new("1", (32, 24))
    copy = copy.resize((16, 12))
    copy.encoderinfo = {"tiffinfo": {254: 1}}
    mask.encoderinfo = {"tiffinfo": {254: 4}}
    page.save(tmp_path / "a.tiff", save_all=True, append_images=[copy, mask])
    assert read(tmp_path / "a.tiff")[0] == [20]


def test_the_picture_for_programs_without_animation_is_no_frame(tmp_path: Path) -> None:
    first, *others = pictures()
    first.save(
        tmp_path / "a.png", save_all=True, append_images=others, default_image=True, duration=100
    )
    assert read(tmp_path / "a.png") == (list(LEVELS[1:]), [0, 0.1, 0.2, 0.3])


def test_deep_pages_share_their_range(tmp_path: Path) -> None:
    deep = [Image.fromarray(np.full((24, 32), value, np.uint16)) for value in (4095, 1000)]
    deep[0].save(tmp_path / "a.tiff", save_all=True, append_images=deep[1:])
    assert read(tmp_path / "a.tiff")[0] == [255, 62]


def test_pages_of_several_sizes_are_refused(tmp_path: Path) -> None:
    first, second = pictures()[:2]
    first.save(tmp_path / "a.tiff", save_all=True, append_images=[second.resize((40, 24))])
    with (
        FrameStream(tmp_path / "a.tiff") as stream,
        pytest.raises(SourceError, match="picture 1 is 40x24, the first one is 32x24"),
    ):
        list(stream)


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.tiff", "a.gif"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # the command line keeps them quiet, too
def test_a_file_that_is_cut_off_is_an_error_or_brings_a_warning(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name)
    whole = path.read_bytes()
    assert not read_with_warnings(path)[1]
    for size in range(4, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:size])
        try:
            count, warnings = read_with_warnings(path)
            # without the last bytes of other formats, all pictures are whole
            unharmed = count == len(LEVELS) and name != "a.gif"
            assert warnings or unharmed, f"{count} pictures from {size} of {len(whole)} bytes"
        except SourceError as error:
            assert "\n" not in str(error)
    path.write_bytes(whole + b"\0" * 32)  # some programs pad
    assert not read_with_warnings(path)[1]


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.tiff"])
def test_one_picture_of_several_is_used_with_a_warning(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name)
    warnings: list[str] = []
    assert read_image(path, warnings.append)[12, 16, 0] in range(18, 23)
    assert warnings == [f"{path}: holds 5 pictures; only the first is used"]
    pictures()[0].save(tmp_path / "b.png")
    with FrameStream(tmp_path) as stream:
        assert len(list(stream)) == 2
        assert any("holds 5 pictures" in warning for warning in stream.warnings)
    with pytest.raises(AnnotationError, match="holds 5 pictures"):
        read_annotation(path)


def test_a_photo_with_a_preview_is_one_picture(tmp_path: Path) -> None:
    first, *others = pictures()
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=others[:1])
    warnings: list[str] = []
    read_image(tmp_path / "a.jpg", warnings.append)
    assert not warnings
    assert len(read(tmp_path / "a.jpg")[0]) == 1
