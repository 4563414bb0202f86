"""Colours and the shape of pixels stay what they are, from a video to frames and back."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest

from persam_video.errors import SourceError
from persam_video.video import FrameStream, VideoWriter
from persam_video.video.formats import CODECS, ColourTags
from persam_video.video.rgb import RgbConverter, YuvConverter

COLOUR = (125, 96, 79)
SIZES = {"SD": (640, 360), "HD": (1280, 720), "upright HD": (720, 1280), "UHD": (3840, 2160)}
MATRICES = {"bt601": (0.299, 0.114, 6), "bt709": (0.2126, 0.0722, 1), "bt2020": (0.2627, 0.0593, 9)}
"""Shares of red and blue in luma, and the matrix's number in H.273."""

MANY = np.array([*product((0, 51, 102, 153, 204, 255), repeat=3)]).reshape(12, 18, 3)
MANY[0, 0] = COLOUR
"""Colours all over the cube, in rows and columns."""


@dataclass(frozen=True)
class Kind:
    """How the colours of a video are stored, and which of it is told."""

    matrix: str
    full: bool = False
    tagged: bool = True
    transfer: int = 2
    depth: int = 8


def encode(
    path: Path, size: tuple[int, int], kind: Kind, rgb: np.ndarray, aspect: Fraction | None = None
) -> Path:
    """Write a video of one frame, whose Y, Cb and Cr are calculated here.

    Args:
        rgb: (3,), or (rows, columns, 3) for a frame of so many patches; 0 to 1.
    """
    width, height = size
    format_ = "yuv420p" if kind.depth == 8 else "yuv420p10le"
    frame = av.VideoFrame(width, height, format_)
    red, blue, number = MATRICES[kind.matrix]
    luma = rgb @ (red, 1 - red - blue, blue)
    chroma = (rgb[..., 2] - luma) / (2 - 2 * blue), (rgb[..., 0] - luma) / (2 - 2 * red)
    scale = 2 ** (kind.depth - 8)
    if kind.full:
        levels = [255 * luma, *(255 * value + 128 for value in chroma)]
    else:
        levels = [219 * luma + 16, *(224 * value + 128 for value in chroma)]
    for plane, level in zip(frame.planes, levels, strict=True):
        patches = (
            np.rint(level * scale)
            .clip(0, 256 * scale - 1)
            .astype(np.uint8 if scale == 1 else np.uint16)
        )
        values = np.zeros((plane.height, plane.line_size // patches.itemsize), patches.dtype)
        values[:, : plane.width] = spread(patches, plane.height, plane.width)
        plane.update(values.tobytes())
    frame.pts = 0
    with av.open(str(path), "w") as output:
        options = {"qp": "0", "preset": "ultrafast"} if kind.depth == 8 else {}
        stream = output.add_stream("libx264" if kind.depth == 8 else "ffv1", 25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, format_
        if kind.tagged:
            stream.codec_context.colorspace = number
        if kind.full:
            stream.codec_context.color_range = 2
        stream.codec_context.color_trc = kind.transfer
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def spread(patches: np.ndarray, height: int, width: int) -> np.ndarray:
    """Give (height, width) values of a frame of patches."""
    rows, columns = patches.shape if patches.ndim else (1, 1)
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    return patches.reshape(rows, columns)[np.ix_(down, across)]


def decoded(path: Path) -> np.ndarray:
    with FrameStream(path) as stream:
        return next(stream).rgb


def centres(rgb: np.ndarray) -> np.ndarray:
    """Give the colours in the middle of the patches of ``MANY``."""
    (rows, columns, _), (height, width, _) = MANY.shape, rgb.shape
    down, across = np.arange(rows) + 0.5, np.arange(columns) + 0.5
    inside = (down * height / rows).astype(int), (across * width / columns).astype(int)
    return rgb[np.ix_(*inside)].astype(int)


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["untagged", *MATRICES])
@pytest.mark.parametrize("size", SIZES)
def test_colours_come_through(tmp_path: Path, size: str, matrix: str, full: bool) -> None:
    # without a tag, players take large video for BT.709
    guess = "bt601" if size == "SD" else "bt709"
    kind = Kind(guess, full, tagged=False) if matrix == "untagged" else Kind(matrix, full)
    rgb = decoded(encode(tmp_path / "a.mp4", SIZES[size], kind, MANY / 255))
    assert np.abs(centres(rgb) - MANY).max() <= 2
    height, width = rgb.shape[:2]
    with VideoWriter(tmp_path / "b.mp4", size=(width, height), fps=Fraction(25), crf=0) as writer:
        writer.write(rgb)
    assert np.abs(centres(decoded(tmp_path / "b.mp4")) - centres(rgb)).max() <= 2


def test_what_is_decoded_and_encoded_is_what_it_was(tmp_path: Path) -> None:
    """Not in patches alone, for the mean of repeated chroma is that chroma."""
    rng = np.random.default_rng(3)
    frame = av.VideoFrame(96, 64, "yuv420p")
    for plane, (low, high) in zip(frame.planes, [(90, 150), (118, 138), (118, 138)], strict=True):
        plane.update(rng.integers(low, high, plane.buffer_size).astype(np.uint8).tobytes())
    frame.pts, frame.colorspace, frame.color_range = 0, 6, 1
    rgb = RgbConverter(96, 64)(frame)
    again = YuvConverter(96, 64, "yuv420p", ColourTags.for_height(64), alpha=False)(rgb)
    for before, after in zip(frame.planes, again.planes, strict=True):
        now, then = (
            np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width].astype(int)
            for plane in (after, before)
        )
        assert np.abs(now - then).max() <= 1
        assert (now == then).mean() > 0.99


def test_untagged_rgb_video_is_taken_as_it_is(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as output:
        stream = output.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "bgr0"
        picture = np.full((720, 1280, 3), COLOUR, np.uint8)
        output.mux(
            stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="bgr0"))
        )
        output.mux(stream.encode(None))
    assert (decoded(tmp_path / "a.mkv") == COLOUR).all()


def test_decord_refuses_what_it_would_take_for_other_colours(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    path = encode(tmp_path / "a.mp4", SIZES["HD"], Kind("bt709", tagged=False), np.ones(3) / 2)
    with pytest.raises(SourceError, match=r"no colour tags, .*pyav"):
        FrameStream(path, decoder="decord")


# High dynamic range: the inverse of what is decoded, written once more from the standards


def bt2020_light(rgb: np.ndarray) -> np.ndarray:
    """Return linear BT.2020 light of a BT.709 colour, 1 being white."""
    to_bt2020 = np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    )
    return to_bt2020 @ rgb**2.4


def as_pq(light: np.ndarray) -> np.ndarray:
    power = (light * 203 / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def as_hlg(light: np.ndarray) -> np.ndarray:
    display = light * 203 / 1000
    luma = display @ (0.2627, 0.6780, 0.0593)
    scene = display * luma ** (-0.2 / 1.2)
    curve = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), curve)


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize(("transfer", "store"), [(16, as_pq), (18, as_hlg)], ids=["PQ", "HLG"])
def test_high_dynamic_range_is_mapped_to_the_standard_one(
    tmp_path: Path, transfer: int, store, tagged: bool
) -> None:
    kind = Kind("bt2020", tagged=tagged, transfer=transfer, depth=10)
    stored = store(bt2020_light(np.array(COLOUR) / 255))
    path = encode(tmp_path / "a.mkv", (64, 48), kind, stored)
    with FrameStream(path) as stream:
        rgb = next(stream).rgb
        assert any("high dynamic range" in warning for warning in stream.warnings)
    assert np.abs(rgb.astype(int) - COLOUR).max() <= 2


def test_highlights_of_high_dynamic_range_keep_their_order(tmp_path: Path) -> None:
    levels = []
    for times_white in (0.5, 1, 2, 4, 20):
        kind = Kind("bt2020", transfer=16, depth=10)
        path = encode(tmp_path / "a.mkv", (64, 48), kind, as_pq(np.full(3, float(times_white))))
        levels.append(int(decoded(path)[0, 0, 0]))
    assert levels == sorted(levels)
    assert levels[1] < levels[2] < 255
    assert levels[-1] == 255


# The shape of pixels


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(8, 9)])
@pytest.mark.parametrize(
    ("codec", "suffix"), [(name, suffix) for name, c in CODECS.items() for suffix in c.suffixes]
)
def test_pixels_that_are_not_square_are_shown_as_before(
    tmp_path: Path, codec: str, suffix: str, aspect: Fraction
) -> None:
    path = encode(tmp_path / "a.mp4", (64, 48), Kind("bt601"), np.ones(3) / 2, aspect)
    with FrameStream(path) as stream:
        info, rgb = stream.info, next(stream).rgb
    assert (info.width, info.height, info.pixel_aspect) == (64, 48, aspect)
    if CODECS[codec].alpha:
        rgb = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    written = tmp_path / f"b{suffix}"
    with VideoWriter(
        written, size=(64, 48), fps=Fraction(25), codec=codec, pixel_aspect=aspect
    ) as writer:
        writer.write(rgb)
    with FrameStream(written) as stream:
        shown = stream.info.width * stream.info.pixel_aspect / stream.info.height
    assert float(shown) == pytest.approx(float(64 * aspect / 48), rel=0.02)


def test_the_aspect_turns_with_the_picture(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", (64, 48), Kind("bt601"), np.ones(3) / 2, Fraction(2))
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mp4"), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        packet = next(packet for packet in source.demux() if packet.size)
        packet.stream = stream
        output.mux(packet)
    turned = bytearray((tmp_path / "b.mp4").read_bytes())
    place = turned.rindex(b"tkhd") + 4 + 40  # the display matrix of the track
    quarter = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned[place : place + 36] = quarter
    (tmp_path / "b.mp4").write_bytes(turned)
    with FrameStream(tmp_path / "b.mp4") as stream:
        info = stream.info
    assert (info.width, info.height, info.pixel_aspect) == (48, 64, Fraction(1, 2))
