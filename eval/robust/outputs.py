"""Outputs over inputs, failing conversions, and the contents of written files."""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from eval.robust.case import Case, NotHereError, UnexpectedError, expect
from persam_video.cli.main import app
from persam_video.config import load_settings
from persam_video.errors import PersamVideoError
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.run import track_to_folder
from persam_video.video.writer import VideoWriter

NAMES = ("00003", "00005", "00009", "00010")
FAST = "--set model.image_size=256 --device cpu -q"
BOX = "--box 1:8,10,26,28"
FPS = Fraction(25)
LONG = 300
"""Frames of a conversion that is long enough to be interrupted by a signal."""

FULL = Path("/dev/full")


def _place(folder: Path) -> None:
    """Write a video, its frames as images with gaps in their names, a run of each, and ruins."""
    for name, content in _template().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    os.link(folder / "clip.mp4", folder / "hard.mp4")
    try:
        (folder / "soft.mp4").symlink_to("clip.mp4")
        (folder / "circle").symlink_to("circle")
    except OSError as error:
        raise NotHereError("there are no symbolic links") from error


@cache
def _template() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        _write(here)
        return _contents(here)


def _write(here: Path) -> None:
    for name in ("frames", "nobody"):
        (here / name).mkdir()
    for video, length in (("clip.mp4", len(NAMES)), ("short.mp4", 2)):
        with VideoWriter(here / video, size=(64, 48), fps=FPS) as writer:
            for index in range(length):
                writer.write(_picture(index), index / 25)
    for index, name in enumerate(NAMES):
        Image.fromarray(_picture(index)).save(here / "frames" / f"{name}.jpg")
    labels = np.zeros((48, 64), np.uint8)
    labels[10:28, 8:26] = 1
    write_label_png(here / "first.png", labels)
    Image.fromarray(_picture(0)).save(here / "photo.png")
    fast = load_settings("persam", {"model.image_size": 256, "model.device": "cpu"})
    for source, run in (("clip.mp4", "run"), ("frames", "named")):
        track_to_folder(here / source, here / "first.png", here / run, settings=fast)
    shutil.copy(here / "run" / "overlay.mp4", here / "nobody" / "overlay.mp4")
    for ruin in ("broken", "empty"):
        shutil.copytree(here / "run", here / ruin)
    lines = (here / "run" / "tracks.jsonl").read_text().splitlines()
    (here / "broken" / "tracks.jsonl").write_text("\n".join([*lines[:2], lines[2][:30]]) + "\n")
    nothing = [json.dumps({**json.loads(line), "objects": []}) for line in lines]
    (here / "empty" / "tracks.jsonl").write_text("\n".join(nothing) + "\n")
    shutil.copytree(here / "named" / "masks", here / "damaged")
    (here / "damaged" / "00009.png").write_bytes(b"\x89PNG\r\n")
    for old in ("old.json", "old.mp4", "old.txt"):
        (here / old).write_bytes(b"old")


def _picture(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    rgb = np.random.default_rng(5).integers(60, 90, (48, 64, 3)).astype(np.uint8)
    rgb[10:28, 8 + 3 * index : 26 + 3 * index] = (230, 40, 30)
    return rgb


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _asked(folder: Path, words: str) -> tuple[str | None, str]:
    """Run a command line in a folder; return the error, if any, and the output."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        ran = CliRunner().invoke(app, [word.replace("NOTHING", "") for word in words.split()])
    finally:
        os.chdir(before)
    if isinstance(ran.exception, PersamVideoError):
        return str(ran.exception), ran.output
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return (ran.output if ran.exit_code else None), ran.output


def _done(folder: Path, words: str) -> str:
    error, printed = _asked(folder, words)
    expect(error is None, f"{words}: {error}")
    return printed


def _refused(words: str, says: str) -> Callable[[Path], str]:
    """Return a check that a command line is refused with these words and changes no file."""

    def check(folder: Path) -> str:
        _place(folder)
        before = _contents(folder)
        error, _ = _asked(folder, words)
        if error is None:
            raise UnexpectedError("no error")
        without_frame = error.translate(dict.fromkeys(map(ord, "│╭╮╰╯─"), " "))
        line = " ".join(without_frame.replace(f"{folder}{os.sep}", "").split())
        expect(says in line, line)
        changed = {name for name, _ in before.items() ^ _contents(folder).items()}
        expect(not changed, f"changed: {', '.join(sorted(changed))}; {line}")
        return f"error: {line[-160:]}; no file has changed"

    return check


def _killed(folder: Path) -> str:
    if sys.platform == "win32":
        raise NotHereError("Windows has no SIGKILL")
    _place(folder)
    with VideoWriter(folder / "long.mp4", size=(64, 48), fps=FPS) as writer:
        for _ in range(LONG):
            writer.write(_picture(0))
    tracks = folder / "run" / "tracks.jsonl"
    line = json.loads(tracks.read_text().splitlines()[0])
    tracks.write_text("".join(f"{json.dumps({**line, 'frame': i})}\n" for i in range(LONG)))
    command = "export run --to overlay --source long.mp4 --out old.mp4 --overwrite -q"
    process = subprocess.Popen([sys.executable, "-m", "persam_video", *command.split()], cwd=folder)
    while not (folder / ".old.mp4.part").exists() and process.poll() is None:
        time.sleep(0.0005)
    process.kill()
    if process.wait() == 0:
        raise NotHereError("the conversion was faster than the signal")
    expect((folder / "old.mp4").read_bytes() == b"old", "the old file is gone")
    return "the old file is as it was"


def _names(folder: Path) -> str:
    _place(folder)
    for kind in ("coco", "ytvos"):
        _done(folder, f"export named --to {kind} --out {kind}.json --source frames -q")
    coco = json.loads((folder / "coco.json").read_bytes())
    ytvos = json.loads((folder / "ytvos.json").read_bytes())
    _done(folder, "export named --to labelme --out labelme --source frames -q")
    _done(folder, "export named/masks --to masks --out back --source frames -q")
    found = {
        "coco": [Path(image["file_name"]).stem for image in coco["images"]],
        "ytvos": [Path(name).stem for name in ytvos["videos"][0]["file_names"]],
        "masks": [path.stem for path in sorted((folder / "named" / "masks").iterdir())],
        "labelme": [path.stem for path in sorted((folder / "labelme").glob("*.json"))],
        "masks taken back": [path.stem for path in sorted((folder / "back").iterdir())],
    }
    for output, names in found.items():
        expect(names == list(NAMES), f"{output}: {', '.join(names)}")
    return f"{', '.join(NAMES)} in {', '.join(found)}"


def _pycocotools(folder: Path) -> str:
    try:
        from pycocotools.coco import COCO  # noqa: PLC0415
    except ImportError as error:
        raise NotHereError("pycocotools is not installed") from error
    _place(folder)
    _done(folder, "export run --to coco --out coco.json -q")
    results = [
        {key: entry[key] for key in ("image_id", "category_id", "bbox", "segmentation")}
        | {"score": 1.0}
        for entry in json.loads((folder / "coco.json").read_bytes())["annotations"]
    ]
    with redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "coco.json"))
        truth.info()
        loaded = len(truth.loadRes(results).anns)
    expect(loaded == len(results) > 0, f"{loaded} of {len(results)} results")
    return f"info() and loadRes() take it, {loaded} results"


def _reference(folder: Path) -> str:
    _place(folder)
    printed = _done(folder, f"track clip.mp4 {BOX} --out new --json {FAST}")
    expect("reference.png" in printed, "not in the list of outputs")
    with Image.open(folder / "new" / "reference.png") as picture:
        picture.load()
    return "in the list of outputs"


def _absent(folder: Path) -> str:
    _place(folder)
    noise = np.random.default_rng(5).integers(60, 90, (48, 64, 3)).astype(np.uint8)
    with VideoWriter(folder / "without.mp4", size=(64, 48), fps=FPS) as writer:
        for index in range(len(NAMES)):
            writer.write(noise, index / 25)
    _done(folder, f"track without.mp4 --ref photo.png:first.png --out new {FAST}")
    lines = (folder / "new" / "tracks.jsonl").read_text().splitlines()
    seen = [known for line in lines for known in json.loads(line)["objects"] if known["area"]]
    expect(not seen, f"{len(seen)} masks of what is not there")
    return f"no mask in {len(lines)} frames"


def _record(folder: Path) -> str:
    _place(folder)
    record = json.loads((folder / "run" / "run.json").read_bytes())
    line = json.loads((folder / "run" / "tracks.jsonl").read_text().splitlines()[0])
    ys, xs = np.nonzero(read_label_png(folder / "run" / "masks" / "00000.png"))
    x0, y0 = int(xs.min()), int(ys.min())
    wanted = [x0, y0, int(xs.max()) + 1 - x0, int(ys.max()) + 1 - y0]
    box = line["objects"][0]["box"]
    expect(box == wanted, f"box {box} of a mask in {wanted}")
    expect(record["box_format"] == "xywh", "the convention of boxes is not in run.json")
    duration = record["source"]["duration"]
    expect(duration is not None, "no duration")
    return f"boxes are named x, y, width, height; the source lasts {duration:.2f} s"


def _full(folder: Path) -> str:
    if not FULL.exists():
        raise NotHereError("there is no full device")
    _place(folder)
    words = ["export", "run", "--to", "mot", "--out", "new.txt", "--json"]
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "persam_video", *words],
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    expect(done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr[-300:])
    return done.stderr.strip()


def cases() -> list[Case]:
    """Return the cases of outputs."""
    over, clip = "--overwrite", "--source clip.mp4"
    is_input, taken = "is an input", "would be taken for an image"
    kept = {
        "render onto its source": ("render run clip.mp4 --out clip.mp4", is_input),
        "render onto a hard link of its source": ("render run clip.mp4 --out hard.mp4", is_input),
        "render onto a link to its source": ("render run clip.mp4 --out soft.mp4", is_input),
        "render from a link onto the source": ("render run soft.mp4 --out clip.mp4", is_input),
        "render onto another spelling": ("render run clip.mp4 --out run/../clip.mp4", is_input),
        "overlay onto its source": (f"export run --to overlay {clip} --out clip.mp4", is_input),
        "tracks onto themselves": ("export run --to tracks --out run/tracks.jsonl", is_input),
        "labelme among the frames": (
            "export named --to labelme --source frames --out frames",
            taken,
        ),
        "a run over the overlay of the folder": (
            f"track run/overlay.mp4 --mask first.png --out run {FAST}",
            is_input,
        ),
        "a run over its own first mask": (
            f"track clip.mp4 --mask run/masks/00000.png --out run {FAST}",
            is_input,
        ),
        "results where no run was": (
            f"track clip.mp4 --mask first.png --out nobody {FAST}",
            "is of no run",
        ),
        "masks among photos": (f"segment photo.png first.png frames --out frames {FAST}", taken),
        "a mask onto its photo": (f"prompt photo.png {BOX} --out photo.png", is_input),
        "a mask among frames": (f"prompt frames {BOX} --out frames/00011.png", taken),
    }
    failing = {
        "a video of a source too short": (
            "export run --to overlay --source short.mp4 --out old.mp4",
            "has no frame 2",
        ),
        "COCO of a broken line": ("export broken --to coco --out old.json", "line 3"),
        "MOT of a broken line": ("export broken --to mot --out old.txt", "line 3"),
        "masks with an unreadable one": (
            "export damaged --to masks --source frames --out new",
            "00009.png",
        ),
        "COCO without an object": ("export empty --to coco --out old.json", "shows an object"),
    }
    places = {
        "--out that is empty": ("export run --to mot --out NOTHING", "is empty"),
        "--out of 300 characters": (f"export run --to mot --out {'x' * 300}", "too long"),
        "--out through links in a circle": ("export run --to mot --out circle/x.txt", "links"),
        "--out that is the root": ("export run --to mot --out / --overwrite", "is a folder"),
        "a mask called x.jpg": (f"prompt clip.mp4 {BOX} --out x.jpg", "call it x.png"),
        "a session among its frames": ("studio frames --out frames --no-browser", taken),
        "a mask whose picture cannot be written": (
            f"prompt clip.mp4 {BOX} --out x.png --picture first.png/y.png",
            "first.png/y.png: cannot be written",
        ),
        "CVAT without a suffix": ("export run --to cvat --out x", "x.xml"),
        "an object 255": ("prompt clip.mp4 --box 255:8,10,26,28 --out x.png", "254"),
    }
    overwriting = {**kept, **failing}
    one_line = "one error, and no file has changed"
    return [
        *(
            Case("outputs", name, one_line, _refused(f"{words} {over}", says))
            for name, (words, says) in overwriting.items()
        ),
        Case(
            "outputs",
            "frames of images without --overwrite",
            one_line,
            _refused(f"track frames {BOX} --out frames {FAST}", taken),
        ),
        *(
            Case("outputs", name, one_line, _refused(words, says))
            for name, (words, says) in places.items()
        ),
        Case("outputs", "SIGKILL in a conversion", "the old file is as it was", _killed),
        Case("outputs", "names of images with gaps", "kept in every output and back", _names),
        Case("outputs", "coco.json in pycocotools", "it can be loaded", _pycocotools),
        Case("outputs", "a photo of what is not there", "no mask", _absent),
        Case("outputs", "the picture of the prompts", "it is listed", _reference),
        Case("outputs", "what the record says", "boxes and duration are told", _record),
        Case("outputs", "--json to a full device", "one error", _full),
    ]
