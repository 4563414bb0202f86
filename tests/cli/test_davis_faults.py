"""Faults of a dataset or of results, as the program tells them: all at once, each with its file."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam_video.masks.png import write_label_png

NOBODY = 65534
FAST = ("--set", "model.image_size=256", "--device", "cpu", "--workers", "1")


def labels(*, objects=2, shape=(48, 64)):
    made = np.zeros(shape, np.uint8)
    for label in range(1, objects + 1):
        made[8 * label : 8 * label + 6, 10:50] = label
    return made


@pytest.fixture
def davis():
    """A set of two sequences with right results, in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for sequence in ("dog", "cat"):
            for frame in range(4):
                for place in ("DAVIS/Annotations/480p", "results"):
                    path = folder / place / sequence / f"{frame:05d}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_label_png(path, labels())
                image = folder / "DAVIS/JPEGImages/480p" / sequence / f"{frame:05d}.jpg"
                image.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(labels() * 90).save(image)
        (folder / "DAVIS/ImageSets/2017").mkdir(parents=True)
        (folder / "DAVIS/ImageSets/2017/val.txt").write_text("dog\ncat\n")
        yield folder


@contextmanager
def unprivileged():
    """Do something without root's right to read everything."""
    root = os.name == "posix" and os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        if not os.access(__file__, os.R_OK, effective_ids=root):
            pytest.skip("this checkout may be read by root only")
        yield
    finally:
        if root:
            os.seteuid(0)


def mask(name, frame=1, sequence="dog"):
    return f"{name}/{sequence}/{frame:05d}.png"


RESULT, LIST = mask("results"), "DAVIS/ImageSets/2017/val.txt"
TRUTH = mask("DAVIS/Annotations/480p")

EVALUATE = {
    "missing mask": (RESULT, lambda path: path.unlink(), "no such file"),
    "missing sequence": ("results/dog", shutil.rmtree, "no such folder; it should hold 2 masks"),
    "missing results": ("results", shutil.rmtree, "no such folder"),
    "wrong size": (
        RESULT,
        lambda path: write_label_png(path, labels(shape=(24, 32))),
        "32x24 pixels where the annotation has 64x48",
    ),
    "colours": (RESULT, lambda path: Image.new("RGB", (64, 48)).save(path), "a RGB image"),
    "alpha": (RESULT, lambda path: Image.new("RGBA", (64, 48)).save(path), "a RGBA image"),
    "label above the objects": (
        RESULT,
        lambda path: write_label_png(path, labels(objects=3)),
        "holds label 3; the sequence's objects are 1, 2",
    ),
    "stray void": (
        RESULT,
        lambda path: write_label_png(path, np.full((48, 64), 255, np.uint8)),
        "holds label 255",
    ),
    "cut off": (RESULT, lambda path: path.write_bytes(path.read_bytes()[:60]), "cannot be read"),
    "text": (RESULT, lambda path: path.write_text("text"), "cannot be read (damaged"),
    "a folder": (RESULT, lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    "damaged annotation": (TRUTH, lambda path: path.write_text("text"), "cannot be read (damaged"),
    "no annotations": (
        "DAVIS/Annotations/480p/dog",
        lambda path: (shutil.rmtree(path), path.mkdir()),
        "no annotations",
    ),
    "empty list": (LIST, lambda path: path.write_text("\n \n"), "names no sequence"),
    "no list": (LIST, lambda path: path.unlink(), "no such file"),
    "list of paths": (
        LIST,
        lambda path: path.write_text("../../etc\n"),
        "not the name of a folder",
    ),
    "unknown sequence": (LIST, lambda path: path.write_text("fish\n"), "fish: no annotations"),
    "denied mask": (RESULT, lambda path: path.chmod(0), "cannot be read (Permission denied)"),
    "denied sequence": ("results/dog", lambda path: path.chmod(0), "Permission denied"),
    "denied results": ("results", lambda path: path.chmod(0), "Permission denied"),
    "denied list": (LIST, lambda path: path.chmod(0), "cannot be read (Permission denied)"),
    "denied annotation": (TRUTH, lambda path: path.chmod(0), "Permission denied"),
    "denied dataset": ("DAVIS", lambda path: path.chmod(0), "Permission denied"),
}


def warm_up(run, davis):
    """Import what is imported late, while everything may be read."""
    assert run("evaluate", davis / "results", davis / "DAVIS").status == 0


@pytest.mark.parametrize("case", EVALUATE, ids=list(EVALUATE))
def test_what_cannot_be_scored_is_named(run, davis, case):
    name, spoil, says = EVALUATE[case]
    warm_up(run, davis)
    spoil(davis / name)
    try:
        with unprivileged():
            ran = run("evaluate", davis / "results", davis / "DAVIS", "--scores", davis / "a.json")
    finally:
        (davis / name).parent.chmod(0o755)
        if (davis / name).exists():
            (davis / name).chmod(0o755)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("persam-video: error: ")
    assert "Traceback" not in ran.err
    (line,) = [line for line in ran.err.splitlines() if says in line]
    expected = {"unknown sequence": "Annotations/480p/fish", "denied dataset": "DAVIS"}
    assert expected.get(case, name) in line
    assert not (davis / "a.json").exists()


def test_all_faults_are_told_at_once(run, davis):
    """One for each of the kinds above that can occur side by side."""
    for sequence in ("dog", "cat"):
        (davis / mask("results", 1, sequence)).unlink()
        Image.new("RGB", (64, 48)).save(davis / mask("results", 2, sequence))
    (davis / "DAVIS/ImageSets/2017/val.txt").write_text("dog\ncat\nfish\n")
    ran = run("evaluate", davis / "results", davis / "DAVIS")
    assert ran.status == 2
    head, *faults = ran.err.splitlines()
    assert head == "persam-video: error: nothing was scored because of 5 faults:"
    for path in ("dog/00001.png", "dog/00002.png", "cat/00001.png", "cat/00002.png", "480p/fish"):
        assert sum(path in fault for fault in faults) == 1


IMAGE = "DAVIS/JPEGImages/480p/dog/00000.jpg"
FIRST = mask("DAVIS/Annotations/480p", 0)

TRACK = {
    "empty list": (LIST, lambda path: path.write_text(""), "names no sequence"),
    "no list": (LIST, lambda path: path.unlink(), "no such file"),
    "no images": ("DAVIS/JPEGImages/480p/dog", shutil.rmtree, "no images"),
    "no annotation": ("DAVIS/Annotations/480p/dog", shutil.rmtree, "no annotation"),
    "annotation of another size": (
        FIRST,
        lambda path: write_label_png(path, labels(shape=(24, 32))),
        "is 32x24 pixels where the frame is 64x48",
    ),
    "empty annotation": (
        FIRST,
        lambda path: write_label_png(path, labels(objects=0)),
        "has no object",
    ),
    "annotation is text": (FIRST, lambda path: path.write_text("text"), FIRST),
    "image is text": (IMAGE, lambda path: path.write_text("text"), "cannot be read"),
    "denied annotation": (FIRST, lambda path: path.chmod(0), "Permission denied"),
    "denied image": (IMAGE, lambda path: path.chmod(0), "Permission denied"),
    "denied images": (
        "DAVIS/JPEGImages/480p/dog",
        lambda path: path.chmod(0),
        "Permission denied",
    ),
    "denied list": (LIST, lambda path: path.chmod(0), "Permission denied"),
}


@pytest.mark.parametrize("case", TRACK, ids=list(TRACK))
def test_what_cannot_be_tracked_is_named(run, davis, case):
    name, spoil, says = TRACK[case]
    warm_up(run, davis)
    run("davis", davis / "DAVIS", "--out", davis / "warm", *FAST)
    spoil(davis / name)
    davis.chmod(0o777)
    with unprivileged():
        ran = run("davis", davis / "DAVIS", "--out", davis / "out", *FAST)
    if (davis / name).exists():
        (davis / name).chmod(0o755)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("persam-video: error: ")
    assert "Traceback" not in ran.err
    (line,) = [line for line in ran.err.splitlines() if says in line]
    assert name in line or case == "no annotation"
    assert not (davis / "out").exists()


def test_an_output_folder_that_may_not_be_written(run, davis):
    run("davis", davis / "DAVIS", "--out", davis / "warm", *FAST)
    with unprivileged():
        for out in (davis / "out", davis / "warm"):
            ran = run("davis", davis / "DAVIS", "--out", out, "--overwrite", *FAST)
            assert ran.status == 2
            assert ran.out == ""
            assert ran.err.count("\n") == 1
            assert "cannot be written (Permission denied)" in ran.err
