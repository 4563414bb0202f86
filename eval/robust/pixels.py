"""Colours, ranges, aspects and bit depths of what is read; masks and frames given to a tracker."""

import os
import struct
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eval.robust.case import Case, NotHereError, expect
from eval.robust.inputs import refused
from persam_video.config import load_settings
from persam_video.masks import read_annotation
from persam_video.run import track_to_folder
from persam_video.sam.build import load_model
from persam_video.tracking import Tracker
from persam_video.video import FrameStream
from persam_video.video.writer import VideoWriter

COLOUR = (125, 96, 79)
BT709, BT2020 = (0.2126, 0.0722), (0.2627, 0.0593)
"""Shares of red and blue in luma (ITU-R BT.709, BT.2020)."""

UNTAGGED, PQ, HLG = 2, 16, 18
"""Transfer characteristics (ITU-T H.273)."""

SMALL = (64, 48)
FAST = {"model.image_size": 256, "model.device": "cpu"}


def _encode(
    path: Path,
    size: tuple[int, int],
    matrix: tuple[float, float],
    *,
    transfer: int = UNTAGGED,
    bits: int = 8,
    aspect: Fraction | None = None,
) -> Path:
    """Write a video of one frame in ``COLOUR``, of limited range and without a matrix's tag."""
    red, blue = matrix
    rgb = np.array(COLOUR) / 255
    luma = float(rgb @ (red, 1 - red - blue, blue))
    chroma = (rgb[2] - luma) / (2 - 2 * blue), (rgb[0] - luma) / (2 - 2 * red)
    levels = [219 * luma + 16, *(224 * value + 128 for value in chroma)]
    layout, dtype = ("yuv420p", np.uint8) if bits == 8 else ("yuv420p10le", np.uint16)
    frame = av.VideoFrame(*size, layout)
    for plane, level in zip(frame.planes, levels, strict=True):
        stored = round(level * 2 ** (bits - 8))
        plane.update(
            np.full(plane.buffer_size // np.dtype(dtype).itemsize, stored, dtype).tobytes()
        )
    frame.pts = 0
    with av.open(str(path), "w") as output:
        codec, options = ("libx264", {"qp": "1"}) if bits == 8 else ("ffv1", {})
        stream: Any = output.add_stream(codec, 25, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, layout
        stream.codec_context.color_trc = transfer
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def _first(path: Path) -> NDArray[np.uint8]:
    with FrameStream(path) as stream:
        return next(stream).rgb


def _colour(size: tuple[int, int]) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        rgb = _first(_encode(folder / "a.mp4", size, BT709))
        with VideoWriter(folder / "b.mp4", size=size, fps=Fraction(25), crf=4) as writer:
            writer.write(rgb)
        for stage, found in {"decoded": rgb, "written": _first(folder / "b.mp4")}.items():
            off = int(np.abs(found.astype(int) - COLOUR).max())
            expect(off <= 2, f"{stage}: {found[0, 0].tolist()} for {list(COLOUR)}")
        return f"{rgb[0, 0].tolist()} for {list(COLOUR)}, and the same when written again"

    return check


def _written_again(folder: Path) -> str:
    rng = np.random.default_rng(3)
    rgb = rng.integers(90, 160, (48 // 2, 64 // 2, 3)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(folder / name, size=SMALL, fps=Fraction(25), crf=0) as writer:
            writer.write(rgb)
        before, rgb = rgb, _first(folder / name)
    off = int(np.abs(rgb.astype(int) - before).max())
    expect(off <= 2, f"off by {off}")
    return f"off by {off} at most"


def _priority(folder: Path) -> str:
    if sys.platform != "linux":
        raise NotHereError("the system has no such policies")
    before = os.sched_getscheduler(0)
    with VideoWriter(folder / "a.mp4", size=SMALL, fps=Fraction(25), codec="av1") as writer:
        writer.write(np.zeros((*SMALL[::-1], 3), np.uint8))
        policies = {os.sched_getscheduler(int(p.name)) for p in Path("/proc/self/task").iterdir()}
    expect(policies == {before}, f"policies {policies}")
    return "no thread has another"


def _aspect(folder: Path) -> str:
    video = _encode(folder / "a.mp4", SMALL, BT709, aspect=Fraction(2))
    labels = np.zeros(SMALL[::-1], np.uint8)
    labels[10:30, 10:30] = 1
    track_to_folder(video, labels, folder / "run", settings=load_settings("persam", FAST))
    with FrameStream(folder / "run" / "overlay.mp4") as stream:
        info = stream.info
    shown = (info.width, info.height, info.pixel_aspect)
    expect(shown == (*SMALL, Fraction(2)), f"{shown}")
    return f"the overlay has {info.width}x{info.height} pixels of {info.pixel_aspect}:1"


def _high_range(transfer: int) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        path = _encode(folder / "a.mkv", SMALL, BT2020, transfer=transfer, bits=10)
        with FrameStream(path) as stream:
            list(stream)
            warnings = stream.warnings
        expect(any("high dynamic range" in said for said in warnings), f"warnings: {warnings}")
        return f"warning: {warnings[0]}"

    return check


def _twelve_bits(folder: Path) -> str:
    values = np.linspace(0, 4095, SMALL[0] * SMALL[1]).astype(np.uint16).reshape(SMALL[::-1])
    Image.fromarray(values).save(folder / "00000.png")
    with FrameStream(folder) as stream:
        rgb = next(stream).rgb
        warnings = stream.warnings
    off = float(np.abs(rgb[..., 0] - values / 4095 * 255).max())
    expect(off <= 0.51, f"off by {off:.1f}: {rgb.min()} to {rgb.max()}")
    expect(any("12 of its bits" in said for said in warnings), f"warnings: {warnings}")
    return f"levels {rgb.min()} to {rgb.max()}; warning: {warnings[0].split(': ')[-1]}"


def _two_bits(folder: Path) -> str:
    values = np.repeat(np.arange(4, dtype=np.uint8), 8)[None].repeat(24, axis=0)
    quads = values.reshape(24, -1, 4)
    packed = (quads << np.array([6, 4, 2, 0], np.uint8)).sum(axis=2).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 2, 0, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(rows), b"IEND": b""}
    stored = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    (folder / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n" + stored)
    annotation = read_annotation(folder / "mask.png")
    expect(annotation.object_ids == (1, 2, 3), f"objects {annotation.object_ids}")
    expect(np.array_equal(annotation.labels, values), "other pixels than those stored")
    return "objects 1, 2, 3"


def _mask() -> NDArray[np.bool_]:
    made = np.zeros(SMALL[::-1], bool)
    made[10:30, 10:30] = True
    return made


def _frame() -> NDArray[np.uint8]:
    made = np.full((*SMALL[::-1], 3), 60, np.uint8)
    made[_mask()] = 220
    return made


def _tracker() -> Tracker:
    settings = load_settings("persam", FAST)
    return Tracker(load_model(settings), settings)


def _given(act: str, mask: Callable[[], object], says: str) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        tracker: Any = _tracker()
        tracker.step(_frame())
        if act == "correct":
            tracker.add_object(2, _mask())
        said = refused(lambda: getattr(tracker, act)(2, mask()), says, folder)
        known = tracker.object_ids
        expect(known == ((2,) if act == "correct" else ()), f"objects {known} afterwards")
        return said

    return check


def _stepped(frame: Callable[[], Any], says: str) -> Callable[[Path], str]:
    return lambda folder: refused(lambda: _tracker().step(frame()), says, folder)


def cases() -> list[Case]:
    """Return the cases of pixels."""
    one_line = "one error that says what was found and what to do"
    masks: dict[str, tuple[Callable[[], object], str]] = {
        "logits": (lambda: np.where(_mask(), 8.0, -8.0), "mask > 0"),
        "probabilities": (lambda: _mask() * 0.9, "mask > 0.5"),
        "NaN": (lambda: np.where(_mask(), np.nan, 0), "not finite"),
        "a masked array": (lambda: np.ma.array(_mask() | True, mask=~_mask()), "MaskedArray"),
    }
    refusals = {
        **{
            f"{name} to {act}": _given(act, mask, says)
            for act in ("add_object", "correct")
            for name, (mask, says) in masks.items()
        },
        "a tracker's frame of floats": _stepped(lambda: _frame() / 255, "float64 of shape"),
        "a tracker's masked frame": _stepped(
            lambda: np.ma.masked_greater(_frame(), 9), "MaskedArray"
        ),
        "a tracker's frame without colours": _stepped(lambda: _frame()[..., 0], "(48, 64)"),
    }
    within = "within 2 levels, read and written"
    warned = "a warning of high dynamic range"
    return [
        Case("pixels", "untagged HD", within, _colour((1280, 720))),
        Case("pixels", "untagged upright HD", within, _colour((720, 1280))),
        Case("pixels", "a video that is written again", "within 2 levels", _written_again),
        Case("pixels", "AV1 as root", "threads keep their priority", _priority),
        Case("pixels", "pixels of 2:1", "the overlay has them too", _aspect),
        Case("pixels", "a video in PQ", warned, _high_range(PQ)),
        Case("pixels", "a video in HLG", warned, _high_range(HLG)),
        Case("pixels", "12 bits in 16-bit grey", "scaled, with a warning", _twelve_bits),
        Case("pixels", "a mask of 2-bit grey", "objects 1 to 3", _two_bits),
        *(Case("pixels", name, one_line, check) for name, check in refusals.items()),
    ]
