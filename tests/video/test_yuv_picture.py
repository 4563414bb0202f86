"""Large frames stay in YUV, and look as if all of them had been converted."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam_video.video import FrameStream, VideoWriter
from persam_video.video.picture import part_of, size_of, small_of
from persam_video.video.rgb import RgbConverter
from persam_video.video.yuv_picture import YuvPicture, YuvPictures

WIDTH, HEIGHT = 1300, 802


def noise(pixel_format: str = "yuv420p", size=(WIDTH, HEIGHT), colours=1, levels=1):
    """Return a decoded frame in which no pixel is like the next one."""
    rng = np.random.default_rng(5)
    frame = av.VideoFrame(*size, pixel_format)
    for number, plane in enumerate(frame.planes):  # colours that come back from RGB
        low, high = (90, 150) if number == 0 else (118, 138)
        plane.update(rng.integers(low, high, plane.buffer_size).astype(np.uint8).tobytes())
    frame.colorspace, frame.color_range = colours, levels
    return frame


@pytest.fixture(scope="module")
def picture() -> YuvPicture:
    found = YuvPictures().of(noise())
    assert found is not None
    return found


@pytest.fixture(scope="module")
def whole(picture: YuvPicture) -> np.ndarray:
    return RgbConverter(WIDTH, HEIGHT)(picture.frame)


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(memoryview(p), np.uint8).reshape(p.height, -1)[:, : p.width].astype(int)
        for p in frame.planes
    ]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_part_is_that_of_the_whole(picture, whole, data):
    x0, y0 = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, WIDTH)), data.draw(st.integers(y0 + 1, HEIGHT))
    part = picture.rgb((x0, y0, x1, y1))
    np.testing.assert_array_equal(part, whole[y0:y1, x0:x1])


def test_all_of_it_is_what_the_decoder_gave_before(picture, whole):
    np.testing.assert_array_equal(picture.rgb(), whole)
    assert size_of(picture) == size_of(whole) == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(part_of(picture, (7, 9, 20, 31)), part_of(whole, (7, 9, 20, 31)))


def test_a_small_picture_has_the_colours_of_the_areas(tmp_path: Path):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([rows * 255 // HEIGHT, columns * 255 // WIDTH, 0 * rows + 90], axis=-1)
    with VideoWriter(tmp_path / "a.mp4", size=(WIDTH, HEIGHT), fps=Fraction(25)) as writer:
        writer.write(smooth.astype(np.uint8))
    with FrameStream(tmp_path / "a.mp4") as stream:
        frame = next(stream)
    assert isinstance(frame.pixels, YuvPicture)
    small = small_of(frame.pixels, 128, 72).astype(int)
    assert small.shape == (72, 128, 3)
    assert np.abs(small - small_of(frame.rgb, 128, 72)).max() <= 3


@pytest.mark.parametrize(
    "frame",
    [
        noise("yuv420p10le"),
        noise("yuv444p"),
        noise("yuvj420p"),
        noise(size=(1001, 1000)),
        noise(size=(640, 480), colours=6),
        noise(colours=6),
        noise(colours=9),
        noise(levels=2),
    ],
    ids=["10 bits", "full chroma", "JPEG", "odd", "small", "BT.601", "BT.2020", "full range"],
)
def test_what_is_not_written_so_is_converted_at_once(frame):
    assert YuvPictures().of(frame) is None


def test_untagged_frames_have_the_colours_that_players_take_them_for():
    found = YuvPictures().of(noise(colours=2))
    assert found is not None
    tagged = RgbConverter(WIDTH, HEIGHT)(noise(colours=1))
    np.testing.assert_array_equal(found.rgb((0, 0, 300, 200)), tagged[:200, :300])


def test_what_is_drawn_changes_nothing_else(picture, whole):
    part = (101, 203, 404, 371)
    canvas = picture.canvas(part)
    np.testing.assert_array_equal(canvas[203:371, 101:404], whole[203:371, 101:404])
    canvas[210:300, 150:250] = (200, 40, 90)
    painted = picture.painted(canvas, part)
    assert np.abs(painted.rgb((160, 220, 240, 290)).astype(int) - (200, 40, 90)).max() <= 2
    luma, *chroma = (
        np.abs(new - old)
        for new, old in zip(planes(painted.frame), planes(picture.frame), strict=True)
    )
    luma[210:300, 150:250] = 0
    assert luma.max() <= 1
    for plane in chroma:
        plane[105:150, 75:125] = 0
        assert plane.max() <= 1
    # beyond the tiles that the part touches, nothing was converted at all
    assert not luma[:192].any()
    assert not luma[:, 416:].any()


def test_a_picture_is_encoded_as_it_was_decoded(tmp_path: Path, picture):
    path = tmp_path / "a.mkv"
    with VideoWriter(path, size=(WIDTH, HEIGHT), fps=Fraction(25), crf=0) as writer:
        writer.write(picture)
        writer.write(picture)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 2
    for frame in frames:
        for now, then in zip(planes(frame), planes(picture.frame), strict=True):
            np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("size", "codec", "suffix"),
    [((WIDTH, HEIGHT), "prores", ".mov"), ((WIDTH + 2, HEIGHT), "h264", ".mp4")],
)
def test_another_size_or_transparency_is_refused_as_of_an_array(
    tmp_path: Path, picture, size, codec, suffix
):
    path = tmp_path / f"a{suffix}"
    with (
        VideoWriter(path, size=size, fps=Fraction(25), codec=codec) as writer,
        pytest.raises(ValueError, match="expected uint8 of shape"),
    ):
        writer.write(picture)


def test_a_video_of_stretched_pixels_is_converted(tmp_path: Path, picture):
    path = tmp_path / "a.mkv"  # which cannot tell the shape of pixels
    aspect = Fraction(4, 3)
    with VideoWriter(
        path, size=(WIDTH, HEIGHT), fps=Fraction(25), codec="av1", pixel_aspect=aspect
    ) as writer:
        writer.write(picture)
    with FrameStream(path) as stream:
        assert next(stream).size == (HEIGHT, 1734)
