"""The command; what it does is tested in ``tests/davis/test_runner.py``."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from persam_video.masks.png import write_label_png

FAST = ("--set", "model.image_size=256", "--device", "cpu", "--workers", "1")


@pytest.fixture
def root(clip, tmp_path):
    """Two short sequences."""
    root = tmp_path / "DAVIS"
    truth = sorted(clip.truth.iterdir())[:4]
    for name in ("dog", "cat"):
        for kind in ("JPEGImages", "Annotations"):
            (root / kind / "480p" / name).mkdir(parents=True)
        for path in truth:
            labels = np.array(Image.open(path))
            image = Image.fromarray(labels * 60)
            image.save(root / f"JPEGImages/480p/{name}/{path.stem}.jpg")
            shutil.copy(path, root / f"Annotations/480p/{name}")
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("dog\ncat\n")
    return root


def test_a_run_a_second_one_and_scores(run, root, tmp_path):
    out = tmp_path / "out"
    ran = run("davis", root, "--out", out, *FAST)
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert [line.split()[0] for line in lines] == ["dog", "cat", "2"]
    assert "4 of 4 frames" in lines[0]
    assert "finished" in lines[0]
    assert "(8 of 8 in all)" in lines[1]
    assert {path.name for path in out.iterdir()} == {"dog", "cat", "tracks", "run.json"}
    ran = run("davis", root, "--out", out, *FAST)
    assert ran.out.count("verified") == 2
    ran = run("evaluate", out, root)
    assert ran.status == 0
    assert "cat_3" in ran.out
    ran = run("davis", root, "--out", out, *FAST, "--quiet")
    assert (ran.status, ran.out, ran.err) == (0, "", "")


def test_sequences_can_be_chosen(run, root, tmp_path):
    ran = run("davis", root, "--out", tmp_path / "out", "--sequence", "cat", *FAST)
    assert ran.status == 0
    assert not (tmp_path / "out" / "dog").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--split", "train"), "train.txt: no such file"),
        (("--year", "2015"), "choose 2016, 2017 or 2019"),
        (("--sequence", "fish"), "no sequence fish"),
        (("--resolution", "1080p"), "Annotations/1080p: no such folder"),
        (("--model", "vit_x"), "unknown model"),
        (("--method", "persam-f", "--set", "prior.alfa=1"), "prior.alpha"),
        (("--workers", "0"), "--workers"),
    ],
)
def test_what_cannot_be_run_is_said(run, root, tmp_path, options, said):
    ran = run("davis", root, "--out", tmp_path / "out", *FAST, *options)
    assert ran.status == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out").exists()


def test_all_faults_are_said_at_once(run, root, tmp_path):
    (root / "Annotations/480p/dog/00000.png").write_bytes(b"garbage")
    write_label_png(root / "Annotations/480p/cat/00000.png", np.ones((4, 4), np.uint8))
    ran = run("davis", root, "--out", tmp_path / "out", *FAST)
    assert (ran.status, ran.out) == (2, "")
    first, *faults = ran.err.splitlines()
    assert first == "persam-video: error: nothing was tracked because of 2 faults:"
    assert "dog/00000.png" in faults[0]
    assert "cat/00000.png: is 4x4 pixels" in faults[1]


def test_another_run_in_the_folder_is_kept(run, root, tmp_path):
    out = tmp_path / "out"
    assert run("davis", root, "--out", out, *FAST).status == 0
    ran = run("davis", root, "--out", out, *FAST, "--set", "prior.alpha=0")
    assert ran.status == 2
    assert "prior.alpha was" in ran.err
    assert (
        run("davis", root, "--out", out, *FAST, "--set", "prior.alpha=0", "--overwrite").status == 0
    )


def test_json_is_the_record_and_nothing_else(run, root, tmp_path):
    ran = run("davis", root, "--out", tmp_path / "out", "--json", *FAST)
    assert (ran.status, ran.err) == (0, "")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert json.loads(ran.out) == {
        "folder": str(tmp_path / "out"),
        "run": record,
        "submission": None,
    }


def test_help_shows_an_example(run):
    ran = run("davis", "--help")
    assert ran.status == 0
    assert "persam-video davis DAVIS" in ran.out
