"""Standard output that cannot be written, and arguments that a shell left empty."""

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", ["models", "models --json", "--help", "config show", "--version"])
def test_a_full_device_is_one_line(words):
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "persam_video", *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    said = "persam-video: error: standard output: No space left on device; "
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
def test_tables_on_a_full_device_are_one_line(clip, tmp_path):
    words = ("report", clip.truth, "--source", clip.video, "--out", tmp_path / "report.html")
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "persam_video", *map(str, words)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("persam-video: error: standard output: No space left on device; ")
    assert (done.returncode, done.stderr.count("error")) == (2, 1)


def test_a_reader_that_leaves_early_is_no_error_to_tell():
    with subprocess.Popen(
        [sys.executable, "-m", "persam_video", "config", "show"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as writer:
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("track", "a.mp4", "--out", ""), "--out"),
        (("track", "a.mp4", "--out="), "--out"),
        (("track", "", "--out", "x"), "an argument"),
        (("evaluate", "results", ""), "an argument"),
        (("export", "r", "--to", "coco", "--out", ""), "--out"),
    ],
)
def test_an_empty_argument_is_refused(run, words, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run(*words)
    said = f"persam-video: error: {named} is empty: give a value, or leave it out\n"
    assert (ran.status, ran.out, ran.err) == (2, "", said)
    assert not list(tmp_path.iterdir())


def test_an_empty_value_of_a_setting_is_a_value(run):
    assert "name: lite" in run("config", "show", "--set=model.checkpoint=").out


@pytest.mark.parametrize("seconds", ["inf", "nan", "0", "-1"])
def test_a_duration_that_is_none_is_one_line(run, clip, tmp_path, seconds):
    arguments = ("track", clip.video, "--mask", clip.first_mask, "--out", tmp_path / "out")
    ran = run(*arguments, f"--duration={seconds}")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "duration is" in ran.err
    assert not (tmp_path / "out").exists()
