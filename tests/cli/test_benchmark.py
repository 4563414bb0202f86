"""The command, on miniature sets; what it runs is tested in ``benchmark`` and ``vos``."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from persam_video.masks.png import read_label_png, write_label_png
from persam_video.vos.regions import format_mask

FAST = ("--set", "model.image_size=256", "--device", "cpu", "--workers", "1")
FRAMES = ["00000", "00005", "00010", "00015"]


@pytest.fixture
def frames(clip):
    """Four frames of objects 1 and 2, of which the second begins in the second frame."""
    made = []
    for at, path in enumerate(sorted(clip.truth.iterdir())[:4]):
        labels = np.array(Image.open(path))
        image = Image.fromarray(labels * 60)
        keep = [1, 2] if at else [1]
        made.append((image, np.where(np.isin(labels, keep), labels, 0).astype(np.uint8)))
    return made


@pytest.fixture
def youtube(frames, tmp_path):
    base = tmp_path / "YouTube-VOS" / "valid"
    for name, (image, labels) in zip(FRAMES, frames, strict=True):
        for kind in ("JPEGImages", "Annotations"):
            (base / kind / "clip").mkdir(parents=True, exist_ok=True)
        image.save(base / f"JPEGImages/clip/{name}.jpg")
        write_label_png(base / f"Annotations/clip/{name}.png", labels)
    objects = {
        str(label): {"category": kind, "frames": FRAMES[label - 1 :]}
        for label, kind in ((1, "ape"), (2, "yeti"))
    }
    (base / "meta.json").write_text(json.dumps({"videos": {"clip": {"objects": objects}}}))
    train = {"a": {"objects": {"1": {"category": "ape", "frames": []}}}}
    (base.parent / "train").mkdir()
    (base.parent / "train/meta.json").write_text(json.dumps({"videos": train}))
    return base.parent


def test_youtube_vos_from_a_run_to_the_archive_and_the_scores(run, youtube, tmp_path):
    out, archive = tmp_path / "out", tmp_path / "valid.zip"
    ran = run("benchmark", youtube, "--out", out, "--zip", archive, *FAST)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[-2:] == [f"4 files: {archive}", f"1 sequences: {out}"]
    found = [set(np.unique(read_label_png(out / f"clip/{name}.png"))) for name in FRAMES]
    assert 2 not in found[0]
    assert {1, 2} <= found[1]
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == [f"Annotations/clip/{name}.png" for name in FRAMES]
    assert json.loads((out / "run.json").read_text())["source"]["dataset"] == "youtube-vos"
    written = archive.read_bytes()
    ran = run("benchmark", youtube, "--out", out, "--zip", archive, *FAST)
    assert ran.status == 2
    assert f"{archive} already exists" in ran.err.replace("\n", "")
    ran = run("benchmark", youtube, "--out", out, "--zip", archive, *FAST, "--overwrite")
    assert (ran.status, ran.err) == (0, "")
    assert archive.read_bytes() == written
    scores, report = tmp_path / "scores.json", tmp_path / "report.html"
    ran = run("evaluate", out, youtube, "--scores", scores, "--report", report)
    assert (ran.status, ran.err) == (0, "")
    assert "Global results for YouTube-VOS valid" in ran.out
    figures = json.loads(scores.read_text())["own"]
    assert list(figures) == ["G", "J-Seen", "J-Unseen", "F-Seen", "F-Unseen"]
    assert all(figure > 0.5 for figure in figures.values())
    page = report.read_text()
    assert "J-Unseen" in page
    assert "first and the last frame" not in page


def test_vots_from_a_run_to_the_archive_and_the_scores(run, frames, tmp_path):
    root, out, archive = tmp_path / "VOTS", tmp_path / "out", tmp_path / "vots.zip"
    (root / "clip/color").mkdir(parents=True)
    (root / "list.txt").write_text("clip\n")
    for at, (image, _) in enumerate(frames, start=1):
        image.save(root / f"clip/color/{at:08d}.jpg")
    for label in (1, 2):
        lines = "".join(f"{format_mask(labels == label)}\n" for _, labels in frames)
        (root / f"clip/groundtruth_{label}.txt").write_text(lines)
    ran = run("benchmark", root, "--out", out, "--zip", archive, *FAST, "--json")
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out)["submission"] == str(archive)
    with zipfile.ZipFile(archive) as opened:
        assert len(opened.namelist()) == 2
    ran = run("evaluate", out, root, "--json", "--scores", tmp_path / "scores.json")
    assert ran.status == 0
    document = json.loads(ran.out)
    assert document == json.loads((tmp_path / "scores.json").read_text())
    assert document["mean"]["quality"] > 0.5
    assert document["mean"]["robustness"] == 1
    assert list(document["sequences"][0]["objects"]) == ["1", "2"]
    ran = run("evaluate", out, root, "--report", tmp_path / "report.html")
    assert ran.status == 2
    assert "VOTS has its own measures" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["benchmark", "{mose}", "--out", "{out}"], "could be mose, or youtube-vos"),
        (["benchmark", "{none}", "--out", "{out}"], "holds no known benchmark"),
        (["benchmark", "{mose}", "--dataset", "lvos", "--out", "{out}"], "no such file"),
        (["benchmark", "{mose}", "--dataset", "davis", "--out", "{out}"], "persam-video davis"),
        (["benchmark", "{mose}", "--dataset", "vots", "--out", "{out}"], "list.txt: no such file"),
        (["benchmark", "{mose}", "--dataset", "mose", "--out", "{out}", "--zip", "{none}/a.tar"],
            "a.tar"),
        (["evaluate", "{none}", "{mose}", "--dataset", "mose", "--year", "2016"],
            "are for DAVIS"),
        (["evaluate", "{none}", "{mose}", "--dataset", "mose", "--split", "test"],
            "there is valid: pass --split valid"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_few_words(run, youtube, tmp_path, arguments, said):
    mose = shutil.copytree(youtube, tmp_path / "MOSE")
    (mose / "valid/meta.json").unlink()
    shutil.rmtree(mose / "train")
    (tmp_path / "none").mkdir()
    places = {"mose": mose, "none": tmp_path / "none", "out": tmp_path / "out"}
    ran = run(*(argument.format(**places) for argument in arguments))
    assert ran.status == 2
    assert said in " ".join(ran.err.replace("│", " ").split())
    assert not (tmp_path / "out").exists()
