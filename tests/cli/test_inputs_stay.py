"""Whatever is asked for, what a command reads stays as it is, and what it leaves is whole."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from persam_video.masks import write_label_png
from persam_video.video import VideoWriter

FAST = ("--set", "model.image_size=256", "--device", "cpu", "-q")
LENGTH = 4


def picture(index):
    rgb = np.random.default_rng(5).integers(60, 90, (48, 64, 3)).astype(np.uint8)
    rgb[10:28, 8 + 3 * index : 26 + 3 * index] = (230, 40, 30)
    return rgb


def labels(index):
    found = np.zeros((48, 64), np.uint8)
    found[10:28, 8 + 3 * index : 26 + 3 * index] = 1
    return found


def video(path, length):
    with VideoWriter(path, size=(64, 48), fps=25) as writer:
        for index in range(length):
            writer.write(picture(index), index / 25)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Make a folder in which inputs of all kinds lie side by side."""
    from persam_video.config import load_settings
    from persam_video.run import track_to_folder

    here = tmp_path_factory.mktemp("template")
    data = here / "davis"
    for folder in ("frames", "bare", "results/clip", "davis/ImageSets/2017"):
        (here / folder).mkdir(parents=True)
    for folder in ("JPEGImages", "Annotations"):
        (data / folder / "480p" / "clip").mkdir(parents=True)
    video(here / "clip.mp4", LENGTH)
    video(here / "short.mp4", 2)
    for index in range(LENGTH):
        name = f"{index + 1:05d}"
        Image.fromarray(picture(index)).save(here / "frames" / f"{name}.jpg")
        Image.fromarray(picture(index)).save(data / "JPEGImages/480p/clip" / f"{name}.jpg")
        for folder in (here / "bare", here / "results/clip", data / "Annotations/480p/clip"):
            write_label_png(folder / f"{name}.png", labels(index))
    (data / "ImageSets/2017/val.txt").write_text("clip\n")
    (data / "ImageSets/val.html").write_text("about the set")
    write_label_png(here / "first.png", labels(0))
    Image.fromarray(picture(0)).save(here / "photo.png")
    (here / "config.yaml").write_text("model:\n  image_size: 256\n")
    (here / "jobs.yaml").write_text(
        "- {source: clip.mp4, mask: first.png, name: run}\n"
        "- {source: frames, mask: first.png, name: frames}\n"
    )
    fast = load_settings("persam", {"model.image_size": 256, "model.device": "cpu"})
    track_to_folder(here / "clip.mp4", here / "first.png", here / "run", settings=fast)
    shutil.copytree(here / "run", here / "broken")
    lines = (here / "broken/tracks.jsonl").read_text().splitlines()
    lines[2] = lines[2][:30]
    (here / "broken/tracks.jsonl").write_text("\n".join(lines) + "\n")
    shutil.copytree(here / "bare", here / "damaged")
    whole = (here / "damaged/00003.png").read_bytes()
    (here / "damaged/00003.png").write_bytes(whole[: len(whole) // 2])
    return here


@dataclass(frozen=True)
class Line:
    """A command line, what it reads, and where it is to write.

    Attributes:
        words: the command and its arguments.
        reads: files, folders and patterns.
        outs: places that it is told to write to.
        converts: whether nothing may be there that was not before, if it fails.
    """

    words: tuple[str, ...]
    reads: tuple[str, ...]
    outs: tuple[str, ...]
    converts: bool = False


SOURCES = ("clip.mp4", "frames", "frames/*.jpg", "soft.mp4", "hard.mp4", "run/overlay.mp4", "bare")
FOLDERS = (
    *("new", "new/deep", ".", "run", "frames", "bare", "results", "davis", "run/masks"),
    *("frames/sub", "davis/JPEGImages/480p/clip", "linked", "clip.mp4"),
)
FILES = (
    *("new.mp4", "new.json", "new.txt", "new/x.csv", "clip.mp4", "soft.mp4", "hard.mp4"),
    *("run/overlay.mp4", "run/tracks.jsonl", "run/run.json", "first.png", "jobs.yaml"),
    *("davis/ImageSets/2017/val.txt", "results/clip/00001.png", "bare/00009.png", "new.xml"),
    *("davis/Annotations/480p/clip/00002.png", "frames/00001.jpg", "x", "new.jsonl"),
)
RUNS = ("run", "bare", "broken", "damaged", "run/masks")
COMMANDS = (
    *("track", "render", "export", "export", "segment", "batch", "evaluate", "prompt", "davis"),
    *("report", "compare"),
)
KINDS = ("masks", "overlay", "tracks", "cutout-png", "coco", "mot", "table", "labelme", "cvat")


@st.composite
def lines(draw):  # noqa: PLR0911
    """Give command lines that a person could type, mostly wrong ones."""
    pick = lambda names: draw(st.sampled_from(names))  # noqa: E731
    over = ("--overwrite",) if draw(st.booleans()) else ()
    command = pick(COMMANDS)
    if command == "track":
        source, out = pick(SOURCES), pick(FOLDERS)
        masks = pick(("first.png", "run/masks/00000.png", "bare/00001.png"))
        more = pick(((), ("--resume",), ("--save", "coco,labelme"), ("--config", "config.yaml")))
        words = ("track", source, "--mask", masks, "--out", out, *more, *over, *FAST)
        return Line(words, (source, masks, "config.yaml"), (out,))
    if command in ("render", "export"):
        run, out = pick(RUNS), pick(FILES + FOLDERS)
        source = pick(("clip.mp4", "frames", "short.mp4", "soft.mp4"))
        reads = (f"{run}/*.png", f"{run}/run.json", f"{run}/tracks.jsonl", source)
        if command == "render":
            look = pick(((), ("--style", "anonymise"), ("--style", "background=photo.png,follow")))
            part = pick(((), ("--frame", "1"), ("--start", "1", "--stop", "3")))
            words = ("render", run, source, "--out", out, *look, *part)
            reads = (*reads, "photo.png")
            told = "anonymise" in look and out in FILES
            record = (str(Path(out).with_suffix(".json")),) if told else ()
            return Line((*words, *over, "-q"), reads, (out, *record), converts=True)
        words = ("export", run, "--to", pick(KINDS), "--out", out, "--source", source)
        return Line((*words, *over, "-q"), reads, (out,), converts=True)
    if command in ("report", "compare"):
        runs = [pick(RUNS)] + ([pick(RUNS)] if command == "compare" else [])
        source = pick(("clip.mp4", "frames", "short.mp4", "soft.mp4"))
        outs = {"--out": pick((*FILES, "new.html", "davis/ImageSets/val.html"))}
        if command == "compare" and draw(st.booleans()):
            outs["--video"] = pick(FILES)
        words = (command, *runs, "--source", source, *(w for o in outs.items() for w in o))
        reads = [f"{run}/{name}" for run in runs for name in ("*.png", "run.json", "tracks.jsonl")]
        return Line((*words, *over, "-q"), (*reads, source), tuple(outs.values()), converts=True)
    if command == "segment":
        tests, out = (
            pick(("frames", "photo.png", "frames/*.jpg", "frames/00002.jpg")),
            pick(FOLDERS),
        )
        words = ("segment", "photo.png", "first.png", tests, "--out", out, *over, *FAST)
        return Line(words, ("photo.png", "first.png", tests), (out,))
    if command == "batch":
        out = pick((".", "new", "run", "frames"))
        words = ("batch", "jobs.yaml", "--out", out, *over, *FAST)
        return Line(words, ("jobs.yaml", "clip.mp4", "first.png", "frames"), (out,))
    if command == "prompt":
        source = pick((*SOURCES, "photo.png"))
        outs = {"--out": pick((*FILES, "new.png", "photo.png"))}
        if draw(st.booleans()):
            outs["--picture"] = pick((*FILES, "look.png", "photo.png", "frames/00009.png"))
        words = ("prompt", source, "--box", "1:8,10,26,28", *(w for o in outs.items() for w in o))
        return Line((*words, *over, *FAST[2:]), (source,), tuple(outs.values()), converts=True)
    if command == "davis":
        out = pick((*FOLDERS, "davis/JPEGImages/480p", "davis/Annotations/new", "to_davis"))
        words = ("davis", "davis", "--out", out, "--workers", "1", *over, *FAST)
        return Line(words, ("davis/*/*/*", "davis/*/*/*/*"), (out,))
    outs = {option: pick(FILES) for option in ("--scores", "--report") if draw(st.booleans())}
    if draw(st.booleans()):
        outs["--csv"] = pick(FOLDERS)
    words = ("evaluate", "results", "davis", *(w for pair in outs.items() for w in pair), "-q")
    reads = ("results/clip/*.png", "davis/*/*/*", "davis/*/*/*/*")
    return Line(words, reads, tuple(outs.values()))


def contents(here):
    """Give the bytes of every file by its path; links by what they lead to."""
    return {
        path.relative_to(here).as_posix(): path.read_bytes()
        for path in sorted(here.rglob("*"))
        if path.is_file()
    }


def read_by(here, line):
    """Give the paths of the files that a line reads."""
    found = set()
    for text in line.reads:
        if (here / text).is_dir():
            images = (".jpg", ".png")
            found |= {path for path in (here / text).iterdir() if path.suffix in images}
        else:
            found |= set(here.glob(text))
    real = {os.path.realpath(path) for path in found if path.is_file()}
    if os.path.realpath(here / "clip.mp4") in real or os.path.realpath(here / "hard.mp4") in real:
        found |= {here / name for name in ("clip.mp4", "soft.mp4", "hard.mp4")}
    return {path.relative_to(here).as_posix() for path in found if path.is_file()}


def check_whole(path):
    """Read a file to its end, as whoever finds it would."""
    if path.suffix == ".json":
        json.loads(path.read_bytes())
    elif path.suffix in (".png", ".jpg"):
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".jsonl":
        assert path.read_bytes().endswith(b"\n")
        assert [json.loads(line) for line in path.read_bytes().splitlines()]
    elif path.suffix == ".mp4":
        with av.open(path) as container:
            assert len(list(container.decode(video=0))) in (2, LENGTH)
    elif path.suffix == ".csv":
        assert len({len(row) for row in csv.reader(path.open())}) == 1
    elif path.suffix == ".xml":
        assert path.read_text().endswith("</annotations>\n")


def check(run, here, line):
    before, read = contents(here), read_by(here, line)
    ran = run(*line.words)
    after = contents(here)
    assert "Traceback" not in ran.err
    for name in read:
        assert after.get(name) == before[name], (line.words, name, ran)
    outs = [(here / out).resolve() for out in line.outs]
    for name in before:
        path = (here / name).resolve()
        if not any(out == path or out in path.parents for out in outs):
            assert after.get(name) == before[name], (line.words, name, ran)
    # a run over images must not find more of them the next time
    frames = [name for name in after if name.startswith("frames/") and name.count("/") == 1]
    for source, suffixes in (("frames", (".jpg", ".png")), ("frames/*.jpg", (".jpg",))):
        if source in line.reads:
            assert not {n for n in frames if n.endswith(suffixes)} - before.keys(), line.words
    if line.converts and ran.status:
        assert after == before, (line.words, ran)
    for name in after:
        assert not name.endswith(".part"), (line.words, name)
        if after[name] != before.get(name):
            check_whole(here / name)
    return ran


@pytest.fixture
def folder(template, tmp_path, monkeypatch):
    """Give a function that lays the inputs out anew."""

    def lay_out():
        here = tmp_path / "here"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(template, here)
        os.link(here / "clip.mp4", here / "hard.mp4")
        (here / "soft.mp4").symlink_to("clip.mp4")
        (here / "linked").symlink_to("frames", target_is_directory=True)
        (here / "to_davis").symlink_to("davis/Annotations/480p", target_is_directory=True)
        monkeypatch.chdir(here)
        return here

    return lay_out


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(line=lines())
@example(
    Line(
        ("track", "frames", "--mask", "first.png", "--out", "frames", *FAST),
        ("frames",),
        ("frames",),
    )
)
@example(
    Line(
        ("render", "run", "clip.mp4", "--out", "soft.mp4", "--overwrite"),
        ("clip.mp4",),
        ("soft.mp4",),
        True,
    )
)
@example(
    Line(
        ("davis", "davis", "--out", "to_davis", "--workers", "1", "--overwrite", *FAST),
        ("davis/*/*/*", "davis/*/*/*/*"),
        ("to_davis",),
    )
)
@example(
    Line(
        ("prompt", "frames", "--box", "1:8,10,26,28", "--out", "frames/00009.png", *FAST[2:]),
        ("frames",),
        ("frames/00009.png",),
    )
)
@example(
    Line(
        ("evaluate", "results", "davis", "--csv", "results", "-q"),
        ("results/clip/*.png",),
        ("results",),
    )
)
@example(
    Line(("export", "broken", "--to", "mot", "--out", "new.txt"), ("broken/*",), ("new.txt",), True)
)
def test_any_command_line(run, folder, line):
    check(run, folder(), line)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("clip.mp4: is an input", "render run clip.mp4 --out clip.mp4 --overwrite"),
        (
            "hard.mp4: is an input",
            "export run --to overlay --source clip.mp4 --out hard.mp4 --overwrite",
        ),
        (
            "folder that is read",
            "export bare --source frames --to labelme --out frames --overwrite",
        ),
        ("tracks.jsonl: is an input", "export run --to tracks --out run/tracks.jsonl --overwrite"),
        (
            "overlay.mp4: is an input",
            "track run/overlay.mp4 --mask first.png --out run --overwrite",
        ),
        ("reference.png: would be taken", "track frames --box 1:8,10,26,28 --out frames"),
        ("is an input", "track clip.mp4 --mask run/masks/00000.png --out run --overwrite"),
        ("would be taken", "segment photo.png first.png frames --out frames"),
        (
            "00001.png: is an input",
            "segment photo.png bare/00001.png frames/00001.jpg --out bare --overwrite",
        ),
        (
            "photo.png: is an input",
            "prompt photo.png --box 1:8,10,26,28 --out photo.png --overwrite",
        ),
        ("run.json: is an input", "evaluate results davis --scores results/run.json"),
        (
            "val.txt: such a file ends in",
            "evaluate results davis --report davis/ImageSets/2017/val.txt",
        ),
        ("inside of a folder that is read", "davis davis --out davis/JPEGImages/480p --overwrite"),
        ("holds masks that no run made", "davis davis --out results2 --overwrite"),
        ("holds an earlier run", "track clip.mp4 --mask first.png --out run"),
        ("is of no run", "track clip.mp4 --mask first.png --out nobody --overwrite"),
        ("shows an object", "export empty --to coco --out new.json"),
        ("line 3 is not a line", "export broken --to coco --out run/coco.json --overwrite"),
        ("has no frame 2", "render run short.mp4 --out run/overlay.mp4 --overwrite"),
        ("run.json: is an input", "render run clip.mp4 --style anonymise --out run/run.mp4"),
        (
            "photo.png: is an input",
            "render run clip.mp4 --style background=photo.png --frame 1 --out photo.png "
            "--overwrite",
        ),
        (
            "overlay.mp4: is an input",
            "track clip.mp4 --mask first.png --style background=run/overlay.mp4 --out run "
            "--overwrite",
        ),
        ("00003.png", "export damaged --source frames --to masks --out new"),
        ("call it x.png", "prompt clip.mp4 --box 1:8,10,26,28 --out x.jpg"),
        ("call it x.json", "evaluate results davis --scores x.csv"),
    ],
)
def test_what_is_refused(run, folder, says, words):
    here = folder()
    (here / "nobody").mkdir()
    shutil.copy(here / "clip.mp4", here / "nobody" / "overlay.mp4")
    shutil.copytree(here / "run", here / "empty")
    records = [json.loads(line) for line in (here / "run/tracks.jsonl").open()]
    empty = [{**record, "objects": []} for record in records]
    (here / "empty/tracks.jsonl").write_text("".join(f"{json.dumps(e)}\n" for e in empty))
    shutil.copytree(here / "results", here / "results2")
    (here / "run/coco.json").write_text("old")
    shutil.copy(here / "run/run.json", here / "results/run.json")
    before = contents(here)
    ran = run(*words.split())
    assert (ran.status, ran.err.count("\n")) == (2, 1), ran.err
    assert says in ran.err
    assert contents(here) == before


@pytest.mark.parametrize(
    "words",
    [
        "prompt clip.mp4 --box 1:8,10,26,28 --out new.png --picture {bad}.png",
        "prompt clip.mp4 --box 1:8,10,26,28 --out first.png --picture {bad}.png --overwrite",
        "compare run other --out {bad}.html --video new.mp4",
        "compare run other --out new.html --video {bad}.mp4",
        "compare run other --out {bad}.html --video short.mp4 --overwrite",
    ],
)
@pytest.mark.parametrize("bad", ["first.png/x", "x" * 300])
def test_of_two_outputs_both_appear_or_neither(run, folder, words, bad):
    here = folder()
    shutil.copytree(here / "run", here / "other")
    before = contents(here)
    ran = run(*words.format(bad=bad).split())
    assert (ran.status, ran.err.count("\n")) == (2, 1), ran.err
    assert bad[:12] in ran.err
    assert ".part" not in ran.err
    assert contents(here) == before


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("", "--out is empty"),
        ("  ", "--out is empty"),
        ("x" * 300, "too long"),
        ("circle/x", "symbolic links"),
    ],
)
@pytest.mark.parametrize(
    "words",
    [
        "track clip.mp4 --mask first.png",
        "export run --to masks",
        "render run clip.mp4",
        "segment photo.png first.png photo.png",
        "prompt clip.mp4 --box 1:8,10,26,28",
        "batch jobs.yaml",
        "davis davis",
        "davis-download 2017-trainval --archive jobs.yaml",
        "demo",
        "studio clip.mp4",
    ],
)
def test_places_that_cannot_be(run, folder, words, out, says):
    here = folder()
    (here / "circle").symlink_to("circle")
    before = contents(here)
    ran = run(*words.split(), "--out", out)
    assert (ran.status, ran.err.count("\n")) == (2, 1), ran.err
    assert says in ran.err
    assert contents(here) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_device_is_one_line(folder, template):
    folder()
    words = ["export", "run", "--to", "mot", "--out", "new.txt", "--json"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "persam_video", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space left" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(("to", "name"), [("overlay", "o.mp4"), ("labelme", "l"), ("mot", "m.txt")])
def test_a_killed_conversion_leaves_the_old_file_or_none(template, tmp_path, to, name):
    video(tmp_path / "long.mp4", 200)
    shutil.copytree(template / "run", tmp_path / "run")
    line = json.loads((tmp_path / "run/tracks.jsonl").read_text().splitlines()[0])
    (tmp_path / "run/tracks.jsonl").write_text(
        "".join(f"{json.dumps({**line, 'frame': i})}\n" for i in range(200))
    )
    for old in (False, True):
        if old and to != "labelme":
            (tmp_path / name).write_bytes(b"old")
        words = ["export", "run", "--to", to, "--source", "long.mp4", "--out", name, "--overwrite"]
        process = subprocess.Popen([sys.executable, "-m", "persam_video", *words], cwd=tmp_path)
        hidden = tmp_path / f".{name}.part"
        while not hidden.exists() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode == 0:
            continue  # it was faster than the signal
        if old and to != "labelme":
            assert (tmp_path / name).read_bytes() == b"old"
        else:
            assert not (tmp_path / name).exists()
    words = ["export", "run", "--to", to, "--source", "long.mp4", "--out", name, "--overwrite"]
    subprocess.run([sys.executable, "-m", "persam_video", *words], cwd=tmp_path, check=True)
    assert not hidden.exists()
