"""Unusual videos: the right frames in the right order at the right time, or one error."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from eval.robust.case import Case, UnexpectedError, expect
from eval.robust.videos import (
    Recipe,
    begins_later,
    cut,
    flipped,
    number_shown,
    turned,
    white_corner,
)
from persam_video.errors import SourceError
from persam_video.video import FrameStream
from persam_video.video.stream import DecoderName

SLACK = 0.003  # seconds; Matroska rounds times to milliseconds
LONGEST_LINE = 400
NTSC = Fraction(30000, 1001)
NO_B = {"bf": "0"}
B_FRAMES = {"bf": "3", "g": "8"}
FLASH = Recipe("clip.mp4", container={"movflags": "faststart"}, options={"g": "3", "bf": "0"})


@dataclass(frozen=True)
class Reading:
    """The frames that a decoder returned.

    Attributes:
        numbers: what the frames show.
        times: when they are shown.
        last: the last frame.
        warnings: what the decoder warned of.
        error: the error that it ended with, or ``None``.
    """

    numbers: list[int]
    times: list[float]
    last: NDArray[np.uint8] | None
    warnings: list[str]
    error: str | None


@dataclass(frozen=True)
class Given:
    """The frames that a video should give.

    Attributes:
        numbers: what they show.
        times: when they are shown, in seconds.
        size: (width, height).
        corner: where the white quarter is; see ``white_corner``.
    """

    numbers: Sequence[int]
    times: Sequence[float]
    size: tuple[int, int]
    corner: tuple[bool, bool] = (False, False)

    @classmethod
    def by(cls, recipe: Recipe) -> "Given":
        """Return the expected frames of an unchanged video."""
        return cls(range(recipe.frames), recipe.times(), recipe.size)


def read(path: Path | str, decoder: DecoderName) -> Reading:
    """Read a whole video; an error must be one line."""
    numbers: list[int] = []
    times: list[float] = []
    last, warnings, problem = None, [], None
    try:
        with FrameStream(path, decoder=decoder) as stream:
            try:
                for frame in stream:
                    numbers.append(number_shown(frame.rgb))
                    times.append(frame.time)
                    last = frame.rgb
            finally:
                warnings = stream.warnings
    except SourceError as error:
        problem = str(error)
        expect(
            "\n" not in problem and len(problem) < LONGEST_LINE, f"not one short line: {problem}"
        )
    expect(all(a < b for a, b in pairwise(times)), f"times fall: {times}")
    return Reading(numbers, times, last, warnings, problem)


def gives(make: Callable[[Path], Path], wanted: Given) -> Callable[[Path], str]:
    """Return a check that a video gives the wanted frames, by both decoders."""

    def check(folder: Path) -> str:
        path = make(folder)
        reading = read(path, "pyav")
        expect(reading.error is None, f"pyav: {reading.error}")
        _compare(reading, wanted, "pyav")
        other = read(path, "decord")
        if other.error is not None and not other.numbers:
            _, _, words = other.error.partition(": ")
            return f"{len(wanted.numbers)} frames by pyav; decord refuses: {words}"
        expect(other.error is None, f"decord: {other.error}")
        _compare(other, wanted, "decord")
        return f"{len(wanted.numbers)} frames, the same by both decoders"

    return check


def _compare(reading: Reading, wanted: Given, decoder: str) -> None:
    expect(reading.numbers == list(wanted.numbers), f"{decoder}: frames {reading.numbers}")
    off = max(abs(a - b) for a, b in zip(reading.times, wanted.times, strict=True))
    expect(off <= SLACK, f"{decoder}: times are off by {off:.4f} s: {reading.times}")
    if reading.last is None:
        raise UnexpectedError("no frame")
    height, width = reading.last.shape[:2]
    expect((width, height) == wanted.size, f"{decoder}: {width}x{height} pixels")
    corner = white_corner(reading.last)
    expect(corner == wanted.corner, f"{decoder}: turned, white is at {corner}")


def refused(make: Callable[[Path], Path | str], says: str) -> Callable[[Path], str]:
    """Return a check that both decoders refuse a source with an error that contains a text."""

    def check(folder: Path) -> str:
        source = make(folder)
        told = ""
        for decoder in ("pyav", "decord"):
            reading = read(source, decoder)
            expect(reading.error is not None, f"{decoder}: gave {len(reading.numbers)} frames")
            told = reading.error or ""
            expect(says in told, f"{decoder}: {told}")
        return "error: " + told.replace(str(folder), "FOLDER")

    return check


def survives(recipe: Recipe, *, in_order: bool) -> Callable[[Path], str]:
    """Return a check that damage loses frames and nothing else.

    With ``in_order`` the frames that are left have to be the first ones, unchanged.
    """

    def check(folder: Path) -> str:
        path = recipe.make(folder)
        told = []
        for decoder in ("pyav", "decord"):
            reading = read(path, decoder)
            count = len(reading.numbers)
            expect(count <= recipe.frames, f"{decoder}: {count} frames of {recipe.frames}")
            if in_order:
                expect(
                    reading.numbers == list(range(count)),
                    f"{decoder}: frames {reading.numbers}",
                )
                expect(
                    count == recipe.frames or bool(reading.warnings or reading.error),
                    f"{decoder}: {count} frames of {recipe.frames} without a word",
                )
            words = reading.error or "; ".join(reading.warnings) or "no warning"
            told.append(f"{decoder}: {count} frames, {words.partition(': ')[2] or words}")
        return ". ".join(told)

    return check


def _file(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def _folder(folder: Path) -> Path:
    (folder / "x.mp4").mkdir()
    return folder / "x.mp4"


def _joined(folder: Path) -> Path:
    parts = [replace(RAW, size=size).make(folder).read_bytes() for size in ((96, 64), (128, 96))]
    path = folder / "both.h264"
    path.write_bytes(b"".join(parts))
    return path


def _sound_only(folder: Path) -> Path:
    silent = Recipe("song.mp4", frames=1, sound="aac").make(folder)
    path = folder / "song.m4a"
    with av.open(str(silent)) as origin, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(origin.streams.audio[0])
        for packet in origin.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    return path


RAW = Recipe("clip.h264", format="h264", options=NO_B, frames=6)
UNEVEN = [0, 40, 190, 200, 530, 550, 900, 1000, 1100, 1500]

WHOLE: dict[str, Recipe] = {
    "H.264 in MP4": Recipe("a.mp4"),
    "H.264 with B-frames": Recipe("a.mp4", options=B_FRAMES),
    "H.264 with open groups of pictures": Recipe(
        "a.mp4", options={"x264-params": "open-gop=1:keyint=4:bframes=2"}
    ),
    "H.264 in MKV": Recipe("a.mkv", options=B_FRAMES),
    "H.264 in MOV": Recipe("a.mov"),
    "H.264 in AVI": Recipe("a.avi", options=NO_B),
    "H.264 in TS": Recipe("a.ts"),
    "H.264 in FLV": Recipe("a.flv"),
    "H.264 in fragmented MP4": Recipe(
        "a.mp4", container={"movflags": "frag_keyframe+empty_moov"}, options={"g": "4"}
    ),
    "H.264 without a container": replace(RAW, name="a.h264"),
    "H.264 lossless 4:4:4": Recipe("a.mp4", pix_fmt="yuv444p", options={"qp": "0"}),
    "HEVC in MP4": Recipe("a.mp4", codec="libx265"),
    "HEVC in MKV": Recipe("a.mkv", codec="libx265", options={"x265-params": "open-gop=0"}),
    "VP8 in WebM": Recipe("a.webm", codec="libvpx"),
    "VP9 in WebM": Recipe("a.webm", codec="libvpx-vp9", options={"cpu-used": "8"}),
    "AV1 in MP4": Recipe("a.mp4", codec="libsvtav1", options={"preset": "12"}),
    "AV1 in WebM": Recipe("a.webm", codec="libsvtav1", options={"preset": "12"}),
    "MJPEG in AVI": Recipe("a.avi", codec="mjpeg", pix_fmt="yuvj420p"),
    "MJPEG in MOV": Recipe("a.mov", codec="mjpeg", pix_fmt="yuvj420p"),
    "ProRes in MOV": Recipe("a.mov", codec="prores_ks", pix_fmt="yuv422p10le"),
    "DNxHR in MOV": Recipe(
        "a.mov", codec="dnxhd", pix_fmt="yuv422p", size=(256, 128), options={"profile": "dnxhr_sq"}
    ),
    "MPEG-2 in TS": Recipe("a.ts", codec="mpeg2video"),
    "MPEG-2 in MPG": Recipe("a.mpg", codec="mpeg2video", format="vob"),
    "MPEG-4 in AVI": Recipe("a.avi", codec="mpeg4"),
    "H.263 in 3GP": Recipe("a.3gp", codec="h263", size=(176, 144)),
    "WMV in ASF": Recipe("a.wmv", codec="wmv2", format="asf"),
    "FFV1 in MKV": Recipe("a.mkv", codec="ffv1"),
    "uncompressed in AVI": Recipe("a.avi", codec="rawvideo", pix_fmt="bgr24"),
    "GIF": Recipe("a.gif", codec="gif", pix_fmt="gray", fps=Fraction(10)),
    "APNG": Recipe("a.apng", codec="apng", pix_fmt="rgb24", fps=Fraction(10)),
    "interlaced": Recipe("a.mp4", options={"x264-params": "tff=1"}),
    "pixels twice as wide as high": Recipe("a.mp4", aspect=Fraction(2)),
    "10-bit H.264": Recipe("a.mp4", pix_fmt="yuv420p10le"),
    "10-bit HEVC": Recipe("a.mp4", codec="libx265", pix_fmt="yuv420p10le"),
    "grey": Recipe("a.mkv", codec="ffv1", pix_fmt="gray"),
    "grey H.264": Recipe("a.mp4", pix_fmt="gray", options={"color_range": "pc"}),
    "16-bit grey": Recipe("a.mkv", codec="ffv1", pix_fmt="gray16le"),
    "alpha in MOV": Recipe("a.mov", codec="qtrle", pix_fmt="argb"),
    "alpha in ProRes": Recipe("a.mov", codec="prores_ks", pix_fmt="yuva444p10le"),
    "alpha in VP9": Recipe(
        "a.webm", codec="libvpx-vp9", pix_fmt="yuva420p", options={"cpu-used": "8"}
    ),
    "alpha in PNG": Recipe("a.mov", codec="png", pix_fmt="rgba"),
    "odd width and height": Recipe("a.mp4", size=(97, 65), pix_fmt="yuv444p"),
    "odd size, MJPEG": Recipe("a.avi", codec="mjpeg", pix_fmt="yuvj444p", size=(33, 17)),
    "16x16 pixels": Recipe("a.mp4", size=(16, 16)),
    "2x2 pixels": Recipe("a.mkv", codec="ffv1", size=(2, 2)),
    "very wide": Recipe("a.mp4", size=(2000, 16)),
    "very high": Recipe("a.mp4", size=(16, 2000)),
    "8K": Recipe("a.mp4", size=(7680, 4320), frames=2, options={"preset": "ultrafast", "bf": "0"}),
    "one frame": Recipe("a.mp4", frames=1),
    "100 frames a second": Recipe("a.mp4", fps=Fraction(100), options=B_FRAMES),
    "1000 frames a second": Recipe("a.mp4", fps=Fraction(1000)),
    "a frame in two seconds": Recipe("a.mp4", fps=Fraction(1, 2)),
    "29.97 frames a second": Recipe("a.mp4", fps=NTSC),
    "variable rate in MP4": Recipe("a.mp4", frames=10, times_ms=UNEVEN),
    "variable rate in MKV": Recipe("a.mkv", frames=10, times_ms=UNEVEN, options=B_FRAMES),
    "variable rate in WebM": Recipe(
        "a.webm", codec="libvpx-vp9", frames=10, times_ms=UNEVEN, options={"cpu-used": "8"}
    ),
    "first timestamp below zero": Recipe("a.mkv", moved=-5, container={"avoid_negative_ts": "0"}),
    "first timestamp after two seconds": Recipe("a.mkv", moved=50),
    "MP4 that begins with an empty edit": Recipe("a.mp4", moved=50),
    "with sound": Recipe("a.mp4", sound="aac"),
    "two videos and sound": Recipe("a.mp4", companion=(32, 32), sound="aac"),
    "two videos, the main one second in size": Recipe("a.mkv", companion=(48, 48), sound="flac"),
    "a wrong suffix": Recipe("a.txt", format="matroska"),
    "a name that is not UTF-8": Recipe(os.fsdecode(b"caf\xe9.mp4"), format="mp4"),
    "spaces, umlauts and signs in the name": Recipe("ä b'%d:#?.mp4"),
}

_SWAPPED = Recipe("a.mp4").size[::-1]
TURNED: dict[int, Given] = {
    90: Given(range(12), Recipe("a.mp4").times(), _SWAPPED, (False, True)),
    180: Given(range(12), Recipe("a.mp4").times(), Recipe("a.mp4").size, (True, True)),
    270: Given(range(12), Recipe("a.mp4").times(), _SWAPPED, (True, False)),
}
EDITED = Recipe("a.mp4", options={"g": "1", "bf": "0"}, edit=begins_later(4, 25))
CUTS = tuple(share / 100 for share in (3, 10, 20, 30, 40, 50, 60, 75, 90, 99))


def cases() -> list[Case]:
    """Return the cases of the zoo."""
    found = [
        Case(
            "zoo",
            name,
            f"{recipe.frames} frames, in order, at their times, {recipe.size[0]}x{recipe.size[1]}",
            gives(recipe.make, Given.by(recipe)),
            heavy=name == "8K",
        )
        for name, recipe in WHOLE.items()
    ]
    found += [
        Case(
            "zoo",
            f"turned by {degrees} degrees",
            f"12 upright frames of {wanted.size[0]}x{wanted.size[1]}",
            gives(Recipe("a.mp4", edit=turned(degrees)).make, wanted),
        )
        for degrees, wanted in TURNED.items()
    ]
    found += [
        Case(
            "zoo",
            "an edit list that leaves out four frames",
            "the other 8 frames, from time 0",
            gives(EDITED.make, Given(range(4, 12), Recipe("", frames=8).times(), EDITED.size)),
        ),
        Case(
            "zoo",
            "the size changes half-way",
            "all frames, scaled to the first size",
            gives(_joined, Given([*range(6), *range(6)], Recipe("").times(), (96, 64))),
        ),
    ]
    for share in CUTS:
        for kind, recipe in (
            ("MP4", FLASH),
            ("MKV", replace(FLASH, name="clip.mkv", container={})),
        ):
            found.append(
                Case(
                    "zoo",
                    f"{kind} cut off after {share:.0%}",
                    "its first frames and a warning, or one error",
                    survives(replace(recipe, edit=cut(share)), in_order=True),
                )
            )
    for name in ("clip.mp4", "clip.mkv", "clip.ts", "clip.avi"):
        for seed in range(3):
            recipe = Recipe(name, options=NO_B, edit=flipped(seed), size=(192, 128))
            found.append(
                Case(
                    "zoo",
                    f"flipped bytes in {name.rpartition('.')[2].upper()}, seed {seed}",
                    "frames at times that grow, or one error",
                    survives(recipe, in_order=False),
                )
            )
    one_error = "one error"
    no_index = Recipe("a.mp4", edit=cut(0.9))
    found += [
        Case("zoo", "MP4 without its index", one_error, refused(no_index.make, "opened")),
        Case("zoo", "no frames", one_error, refused(Recipe("a.mp4", frames=0).make, "a.mp4")),
        Case("zoo", "sound only", one_error, refused(_sound_only, "no video stream")),
        Case("zoo", "zero bytes", one_error, refused(_file("zero.mp4", b""), "zero.mp4")),
        Case(
            "zoo",
            "text called .mp4",
            one_error,
            refused(_file("text.mp4", b"not a video\n" * 99), "text.mp4"),
        ),
        Case(
            "zoo",
            "a web page called .mp4",
            one_error,
            refused(_file("page.mp4", b"<!doctype html><title>404</title>" * 9), "page.mp4"),
        ),
        Case(
            "zoo",
            "a playlist that names another file",
            one_error,
            refused(_file("list.m3u8", b"#EXTM3U\n#EXTINF:9,\nfile:///etc/hostname\n"), "list"),
        ),
        Case(
            "zoo",
            "random bytes",
            one_error,
            refused(_file("noise.mkv", np.random.default_rng(0).bytes(50_000)), "noise.mkv"),
        ),
        Case("zoo", "a folder called x.mp4", one_error, refused(_folder, "holds no images")),
        Case("zoo", "endless zeros", one_error, refused(lambda _: Path("/dev/zero"), "zero")),
        Case(
            "zoo",
            "no such file",
            one_error,
            refused(lambda folder: folder / "missing.mp4", "no such file"),
        ),
        Case(
            "zoo",
            "an image file with a video's content",
            one_error,
            refused(Recipe("a.png", format="mp4").make, "a.png"),
        ),
    ]
    return found
