"""What a user did wrong is one line that helps, a non-zero status, and nothing half-written."""

import struct
import warnings
from zlib import compress, crc32

import cv2
import numpy as np
import pytest
import torch

from persam_video.masks.png import read_label_png, write_label_png
from persam_video.sam.registry import model_spec


@pytest.fixture(scope="module")
def wrong(clip, tmp_path_factory):
    """A folder of things that are not what they should be."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "text.mp4").write_text("this is not a video\n" * 50)
    (folder / "zero.mp4").touch()
    (folder / "cut.mp4").write_bytes(clip.video.read_bytes()[:4000])
    (folder / "folder").mkdir()
    labels = read_label_png(clip.first_mask)
    write_label_png(folder / "small.png", labels[::2, ::2])
    write_label_png(folder / "empty.png", np.zeros_like(labels))
    blurred = cv2.GaussianBlur((labels > 0).astype(np.uint8) * 255, (9, 9), 0)
    cv2.imwrite(str(folder / "soft.png"), blurred)
    (folder / "text.png").write_text("not an image")
    (folder / "text.pth").write_text("not weights")
    torch.save({"a": torch.zeros(3)}, folder / "other.pth")
    (folder / "a_file").write_text("kept")
    (folder / "wrong.yaml").write_text("prior:\n  alfa: 1\n")
    return folder


CASES = {
    "no such video": (("missing.mp4",), "no such file"),
    "text called mp4": (("text.mp4",), "text.mp4"),
    "empty file": (("zero.mp4",), "zero.mp4"),
    "cut video": (("cut.mp4",), "cut.mp4"),
    "empty folder": (("folder",), "image"),
    "no such mask": (("CLIP", "--mask", "missing.png"), "missing.png"),
    "mask of another size": (("CLIP", "--mask", "small.png"), "320x180"),
    "empty mask": (("CLIP", "--mask", "empty.png"), "no object"),
    "soft mask": (("CLIP", "--mask", "soft.png"), "soft.png"),
    "mask is text": (("CLIP", "--mask", "text.png"), "text.png"),
    "video as mask": (("CLIP", "--mask", "CLIP"), "clip.mp4"),
    "unknown model": (("CLIP", "--model", "vit_x"), "vit_t"),
    "no checkpoint": (("CLIP", "--model", "vit_b"), "--checkpoint"),
    "checkpoint is text": (("CLIP", "--checkpoint", "text.pth"), "text.pth"),
    "foreign checkpoint": (("CLIP", "--checkpoint", "other.pth"), "other.pth"),
    "no such device": (("CLIP", "--device", "tpu"), "auto"),
    "unknown precision": (("CLIP", "--precision", "int3"), "fp32"),
    "output is a file": (("CLIP", "--out", "a_file"), "a_file"),
    "unknown setting": (("CLIP", "--set", "prior.alfa=1"), "prior.alpha"),
    "setting out of range": (("CLIP", "--set", "prior.alpha=7"), "prior.alpha"),
    "wrong preset file": (("CLIP", "--config", "wrong.yaml"), "prior.alpha"),
    "start beyond the end": (("CLIP", "--start", "99"), "no frame 99"),
    "negative start": (("CLIP", "--start", "-1"), "start"),
    "stride of nothing": (("CLIP", "--stride", "0"), "stride"),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_one_clear_line(run, wrong, clip, tmp_path, monkeypatch, case):
    arguments, says = CASES[case]
    monkeypatch.chdir(wrong)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    given = [str(clip.video) if argument == "CLIP" else argument for argument in arguments]
    if "--mask" not in given:
        given += ["--mask", str(clip.first_mask)]
    if "--out" not in given:
        given += ["--out", str(tmp_path / "out")]
    before = sorted(path.name for path in wrong.iterdir())
    ran = run("track", *given)
    assert ran.status == 2
    assert ran.out == ""
    lines = ran.err.strip().splitlines()
    assert len(lines) == 1, ran.err
    assert lines[0].startswith("persam-video: error: ")
    assert says in lines[0]
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in wrong.iterdir()) == before
    assert (wrong / "a_file").read_text() == "kept"


def test_a_checkpoint_of_another_model_is_named(run, clip, tmp_path):
    width = model_spec("vit_l").encoder.width
    torch.save({"image_encoder.pos_embed": torch.zeros(1, 64, 64, width)}, tmp_path / "l.pth")
    ran = run(
        "track",
        clip.video,
        "--mask",
        clip.first_mask,
        "--out",
        tmp_path / "out",
        "--checkpoint",
        tmp_path / "l.pth",
    )
    assert ran.status == 2
    assert "vit_l" in ran.err


def test_a_missing_option_shows_how_it_is_called(run, clip):
    ran = run("track", clip.video)
    assert ran.status == 2
    assert "--out" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", ["track", "demo", "evaluate", "models"])
def test_help_shows_an_example(run, command):
    ran = run(command, "--help")
    assert ran.status == 0
    assert "persam-video" in ran.out


def test_the_version(run):
    assert run("--version").out.startswith("persam-video 0.")


def png_that_claims(width, height):
    """Return a PNG of a few bytes that unpacks to as many pixels as its header says."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [11_000, 12_000, 60_000])
@pytest.mark.parametrize("use", ["source", "mask", "photo"])
def test_a_decompression_bomb_is_one_clear_line(run, clip, tmp_path, side, use):
    # PIL itself only warns of the first two
    bomb = tmp_path / "bombs" / "00000.png"
    bomb.parent.mkdir()
    bomb.write_bytes(png_that_claims(side, side + 2000))
    out = ("--out", tmp_path / "out")
    with warnings.catch_warnings():
        ran = {
            "source": lambda: run("track", bomb.parent, "--mask", clip.first_mask, *out),
            "mask": lambda: run("track", clip.video, "--mask", bomb, *out),
            "photo": lambda: run("segment", bomb, clip.first_mask, bomb, *out),
        }[use]()
    assert ran.status == 2
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert "pixels" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trakc a.mp4", "trakc"),
        ("track", "source"),
        ("track a.mp4", "--out"),
        ("track a.mp4 --out o --msk m.png", "--msk"),
        ("track a.mp4 --out", "--out"),
        ("track a.mp4 --out o --stop soon", "--stop"),
        ("track a.mp4 b.mp4 --out o", "b.mp4"),
        ("track a.mp4 --out o --decoder vlc", "pyav"),
        ("track a.mp4 --out o -q -v", "mutually exclusive"),
        ("batch jobs.csv --out o --workers some", "--workers"),
        ("davis D --out o --method sam3", "persam-f"),
        ("config shwo", "shwo"),
    ],
)
def test_arguments_that_cannot_be_are_one_line(run, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    ran = run(*words.split())
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1), ran.err
    assert ran.err.startswith("persam-video: error: ")
    assert says in ran.err.lower()  # some versions of typer write names in capitals
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", ["", "serve"])
def test_no_arguments_show_the_help(run, words):
    ran = run(*words.split())
    assert "Usage" in ran.out + ran.err  # older versions of click print it on standard error
    assert "error" not in ran.err
