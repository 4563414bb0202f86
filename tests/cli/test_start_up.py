"""What does not need torch does not wait for it."""

import json
import signal
import subprocess
import sys

import pytest

# one process for all: once torch is imported, it stays, so that every line after the culprit tells
SCRIPT = """
import json, sys
from contextlib import redirect_stdout
from persam_video.cli.main import run
for line in json.load(sys.stdin):
    sys.argv = ["persam-video", *line.split()]
    status = 0
    try:
        with redirect_stdout(sys.stderr):
            run()
    except SystemExit as end:
        status = end.code or 0
    print(json.dumps([line, status, "torch" in sys.modules]), flush=True)
"""


@pytest.fixture(scope="module")
def place(clip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    (folder / "clip.mp4").symlink_to(clip.video)
    (folder / "first.png").symlink_to(clip.first_mask)
    (folder / "jobs.csv").write_text("source,mask\n")
    masks = folder / "masks"
    masks.mkdir()
    for truth in sorted(clip.truth.glob("*.png")):
        (masks / truth.name).symlink_to(truth)
    return folder


def test_help_waits_for_no_numerical_library():
    script = (
        "import sys, persam_video.cli.main\n"
        "print(sorted({'numpy', 'scipy', 'cv2', 'PIL', 'av', 'torch'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


def test_tracking_waits_for_no_more_than_it_needs():
    script = (
        "import sys, persam_video.cli.track, persam_video.run.folder\n"
        "print(sorted({'scipy', 'matplotlib', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


TRACK = "track clip.mp4 --mask first.png --out r"
LINES = [
    ("--help", 0),
    ("track --help", 0),
    ("nonsense", 2),
    ("track clip.mp4", 2),
    (f"{TRACK} --style nope", 2),
    (f"{TRACK} --style anonymise=nope", 2),
    (f"{TRACK} --style background=nope.jpg", 2),
    (f"{TRACK} --style background=jobs.csv", 2),
    (f"{TRACK} --objects all", 2),
    (f"{TRACK} --save nope", 2),
    (f"{TRACK} --set nope=1", 2),
    (f"{TRACK} --box 1:1", 2),
    (f"{TRACK} --ref a:b", 2),
    (f"{TRACK} --max-frames 0", 2),
    ("track gone.mp4 --mask first.png --out r", 2),
    ("prompt clip.mp4 --box 1:1 --out p.png", 2),
    ("prompt gone.mp4 --box 1:1,2,3,4 --out p.png", 2),
    ("segment a.jpg a.png b.jpg --out s", 2),
    ("segment a.jpg a.png b.jpg --out s --max-objects 0", 2),
    ("batch gone.csv --out b", 2),
    ("batch jobs.csv --out b --save nope", 2),
    ("batch jobs.csv --out b --style nope", 2),
    ("davis gone --out d", 2),
    ("perseg gone", 2),
    ("models download nope", 2),
    ("config show", 0),
    ("evaluate gone gone", 2),
    ("export masks --source clip.mp4 --to mot --out mot.txt", 0),
    ("render masks clip.mp4 --out drawn.mp4", 0),
    ("render masks clip.mp4 --style anonymise,trail --frame 3 --out look.png", 0),
]


def test_torch_is_not_imported(place):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([line for line, _ in LINES]),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [[line, status, False] for line, status in LINES]


BEFORE_TYPER = """
import os, signal, sys
from persam_video.cli.main import main
number = int(sys.argv.pop())
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
def interrupt(frame, event, argument):
    if frame.f_code.co_name == "get_command":  # typer's, which looks at every command first
        sys.setprofile(None)
        signal.raise_signal(number)
sys.setprofile(interrupt)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_command_begins_is_no_traceback(number):
    words = (sys.executable, "-c", BEFORE_TYPER, "config", "show", str(int(number)))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")
