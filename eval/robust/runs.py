"""Photos of absent objects, weak prompts, signals, selections, and estimated times of runs."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from eval.robust.case import ROOT, Case, NotHereError, expect
from eval.robust.outputs import BOX, FAST
from persam_video.config import load_settings
from persam_video.masks.png import write_label_png
from persam_video.run.estimate import Estimator
from persam_video.sam.build import load_model
from persam_video.sam.model import SamModel
from persam_video.synthetic import come_and_go
from persam_video.util.timing import StageClock
from persam_video.video import Frame
from persam_video.video.writer import VideoWriter

LENGTH = 5
LONG = 2000
BOUND = 2**30
"""Bytes of memory that a box in a 4K frame may take; a guess at full resolution took 2.5 GB."""


def _command(folder: Path, words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "persam_video", *words.split()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _done(folder: Path, words: str) -> str:
    """Run a command line to its end; return its standard error."""
    ran = _command(folder, words)
    expect(ran.returncode == 0, ran.stderr[-300:])
    return ran.stderr


def _photo_of(is_there: bool) -> Callable[[Path], str]:
    """Return a check with a photo of a koi and a clip of a leaf, with or without the koi."""

    def check(folder: Path) -> str:
        clip = come_and_go()
        koi, leaf, _ = clip.objects
        shown = (koi, leaf) if is_there else (leaf,)
        video = replace(clip, objects=shown, length=LENGTH, seed=1).write(folder / "clip").video
        rgb, labels = next(replace(clip, objects=(koi,), length=1).frames())
        Image.fromarray(rgb).save(folder / "photo.png")
        write_label_png(folder / "photo_mask.png", labels)
        _done(folder, f"track {video} --ref photo.png:photo_mask.png --out run {FAST}")
        lines = (folder / "run" / "tracks.jsonl").read_text().splitlines()
        seen = sum(any(known["area"] for known in json.loads(line)["objects"]) for line in lines)
        expect(seen == (LENGTH if is_there else 0), f"seen in {seen} of {len(lines)} frames")
        return f"seen in {seen} of {len(lines)} frames"

    return check


def _clip(folder: Path, length: int) -> None:
    labels = np.zeros((48, 64), np.uint8)
    labels[10:28, 8:26] = 1
    picture = np.where(labels[..., None] == 1, np.uint8(220), np.uint8(40)).repeat(3, axis=2)
    with VideoWriter(folder / "clip.mp4", size=(64, 48), fps=Fraction(25)) as writer:
        for _ in range(length):
            writer.write(picture)
    write_label_png(folder / "first.png", labels)


def _points_alone(folder: Path) -> str:
    _clip(folder, 2)
    said = _done(folder, f"track clip.mp4 {BOX} --point 2:50,40 --out run {FAST}")
    expect("object 2 is named by points alone" in said, f"standard error: {said}")
    expect("object 1" not in said, f"warned of a box: {said}")
    (recorded,) = json.loads((folder / "run" / "run.json").read_text())["warnings"]
    expect("object 2 is named by points alone" in recorded, recorded)
    return f"warning: {recorded}"


_BOX_AT_4K = """
import numpy as np
from persam_video.prompting import ObjectPrompts, annotate
from persam_video.sam import load_sam
from persam_video.util.machine import peak_resident_bytes
model = load_sam("lite", device="cpu", image_size=256)
def prompted(height, width):
    rgb = np.random.default_rng(5).integers(60, 90, (height, width, 3), np.uint8)
    inside = slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4)
    rgb[inside] = (230, 40, 30)
    box = (width * 0.2, height * 0.2, width * 0.8, height * 0.8)
    mask = annotate(model, rgb, [ObjectPrompts(1, box)]).mask(1)
    assert mask[inside].mean() > 0.9, mask[inside].mean()
prompted(90, 160)
before = peak_resident_bytes()
prompted(2160, 3840)
print(-1 if before is None else peak_resident_bytes() - before)
"""


def _box_at_4k(folder: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", _BOX_AT_4K], cwd=ROOT, capture_output=True, text=True, check=False
    )
    expect(ran.returncode == 0, ran.stderr[-300:])
    taken = int(ran.stdout)
    if taken < 0:
        raise NotHereError("nobody tells how much memory is held")
    expect(taken < BOUND, f"{taken / 2**30:.1f} GiB more than at 160x90")
    return f"less than {BOUND / 2**30:.0f} GiB more than at 160x90"


def _terminated(folder: Path) -> str:
    if sys.platform == "win32":
        raise NotHereError("Windows ends a process at once")
    _clip(folder, LONG)
    words = f"-m persam_video track clip.mp4 --mask first.png --out run {FAST}"
    process = subprocess.Popen(
        [sys.executable, *words.split()], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    tracks = folder / "run" / "tracks.jsonl"
    while process.poll() is None and not (tracks.exists() and tracks.read_bytes()):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    expect(process.returncode == 143, f"status {process.returncode}: {errors[-300:]}")
    expect(errors.count("\n") == 1, errors[-300:])
    record = json.loads((folder / "run" / "run.json").read_text())
    masks = len(list((folder / "run" / "masks").iterdir()))
    expect(record["status"] == "interrupted", record["status"])
    expect(1 <= masks == len(tracks.read_text().splitlines()) < LONG, f"{masks} masks")
    return f"status 143; {errors.strip()}"


def _selects_nothing(folder: Path) -> str:
    words = ["eval.ablation", "--data", str(folder), "--only", "nope"]
    ran = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    expect((ran.returncode, ran.stdout) == (2, ""), f"status {ran.returncode}: {ran.stdout}")
    expect("invalid choice: 'nope'" in ran.stderr, ran.stderr[-300:])
    return "status 2 and nothing on standard output"


def _earlier_version(folder: Path) -> str:
    _clip(folder, 1)
    words = f"track clip.mp4 --mask first.png --out run {FAST}"
    _done(folder, words)
    path = folder / "run" / "run.json"
    record = json.loads(path.read_text())
    record["versions"]["persam-video"] = "0.1.0"
    path.write_text(json.dumps(record))
    ran = _command(folder, f"{words} --resume")
    expect((ran.returncode, ran.stderr.count("\n")) == (2, 1), ran.stderr[-300:])
    expect("another version of persam-video (0.1.0)" in ran.stderr, ran.stderr)
    return ran.stderr.strip().removeprefix("persam-video: ")


def _photos_of_one_name(folder: Path) -> str:
    _clip(folder, 1)
    labels = np.zeros((48, 64), np.uint8)
    labels[10:28, 8:26] = 1
    picture = np.where(labels[..., None] == 1, np.uint8(220), np.uint8(40)).repeat(3, axis=2)
    for place in ("left", "right"):
        (folder / place).mkdir()
        Image.fromarray(picture).save(folder / place / "00010.png")
    photos = "left/00010.png right/00010.png"
    _done(folder, f"segment left/00010.png first.png {photos} --out out {FAST}")
    images = json.loads((folder / "out" / "segments.json").read_text())["images"]
    names = [image["mask"] for image in images]
    expect(names == ["left_00010.png", "right_00010.png"], ", ".join(names))
    expect(all((folder / "out" / name).is_file() for name in names), "a mask is not there")
    return ", ".join(names)


class OneByOneSam(SamModel):
    """A SAM that encodes frames one after the other, as the large ones do on a CPU."""

    encodes_side_by_side = False


def _estimate(folder: Path) -> str:
    model = load_model(load_settings("persam", {"model.image_size": 256, "model.device": "cpu"}))
    model.__class__ = OneByOneSam
    frame = Frame(0, np.zeros((48, 64, 3), np.uint8), 0.0)
    clock = StageClock()
    clock.seconds["encode"] = 2.0
    expect(Estimator(model, clock).after(frame, 3) is None, "a short run is estimated")
    estimator = Estimator(model, clock)
    told = str(estimator.after(frame, 1200))
    wanted = r"lite needs about 2\.0 s per frame on this machine: about 40 minutes for 1200 frames"
    expect(re.fullmatch(wanted, told) is not None, told)
    expect(estimator.after(frame, 1199) is None, "it is told twice")
    return told


def cases() -> list[Case]:
    """Return the cases of runs."""
    of_own, bounded = "each has a mask of its own", "a mask, in less than 1 GiB"
    return [
        Case("runs", "a photo of a koi that is not there", "lost everywhere", _photo_of(False)),
        Case("runs", "a photo of a koi that is there", "found everywhere", _photo_of(True)),
        Case("runs", "points alone beside a box", "a warning, also in run.json", _points_alone),
        Case("runs", "a box in a 4K frame", bounded, _box_at_4k),
        Case("runs", "SIGTERM in a run", "status 143, finished frames are kept", _terminated),
        Case("runs", "a variant that is not there", "status 2, nothing runs", _selects_nothing),
        Case("runs", "a run of an earlier version", "one line says so", _earlier_version),
        Case("runs", "photos of one name", of_own, _photos_of_one_name),
        Case("runs", "a run that takes long", "one line says how long", _estimate),
    ]
