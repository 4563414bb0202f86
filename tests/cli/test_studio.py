"""``persam-video studio``: what it says, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn", reason="no uvicorn (the extra 'studio')")

PATIENCE = 300  # seconds
PROGRAM = [sys.executable, "-m", "persam_video"]


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        pixels = np.full((32, 48, 3), 60 * index, np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:05}.png")
    return folder


# Ctrl-C while the model is loaded in the background, which goes on as long as the program ends
WHILE_LOADING = """
import atexit, signal, threading, time
from persam_video.cli.main import main

def loading():
    return [each for each in threading.enumerate() if each.name == "model" and each.is_alive()]

def interrupt():
    while not loading():
        time.sleep(0.001)
    signal.raise_signal(signal.SIGINT)

atexit.register(lambda: [each.join(60) for each in loading()])
threading.Thread(target=interrupt, daemon=True).start()
main()
"""


def start_program(*arguments, program=PROGRAM):
    secrets = ("PERSAM_STUDIO_TOKEN", "PERSAM_VIDEO_PASSWORD")
    environment = {k: v for k, v in os.environ.items() if k not in secrets}
    # tests that run in the background of a shell ignore Ctrl-C, and children would inherit that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    signal.signal(signal.SIGINT, before)
    return process


def start(*arguments):
    process = start_program("studio", *arguments, "--port", "0", "--no-browser")
    line = process.stdout.readline()
    port, token = re.fullmatch(r"studio: http://[^/]+:(\d+)/\?token=(\S+)\n", line).groups()
    return process, int(port), token


def end(process):
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in told
    return told


def test_a_session_is_served_and_goes_on(frames, tmp_path, fails):
    out = tmp_path / "session"
    process, port, token = start(frames, "--out", out)
    try:
        request = Request(f"http://127.0.0.1:{port}/api/studio")
        with pytest.raises(HTTPError, match="403"):
            urlopen(request, timeout=PATIENCE)
        request.add_header("Authorization", f"Bearer {token}")
        assert b'"name":"frames"' in urlopen(request, timeout=PATIENCE).read()
        assert "another run" in fails("studio", out, "--no-browser")
    finally:
        end(process)
    process, _, again = start(out)
    end(process)
    assert again == token


def test_a_session_begins_with_masks(frames, tmp_path, fails):
    out, mask = tmp_path / "session", tmp_path / "mask.png"
    labels = np.zeros((32, 48), np.uint8)
    labels[4:9, 4:9] = 3
    Image.fromarray(labels).save(mask)
    process, *_ = start(frames, "--mask", f"1={mask}", "--out", out)
    end(process)
    found = json.loads((out / "session.json").read_text("utf-8"))
    assert [(each["frame"], each["object"]) for each in found["gestures"]] == [(1, 3)]
    told = fails("studio", frames, "--mask", mask, "--out", out, "--no-browser")
    assert "leave out --mask" in told
    assert "give a video" in fails("studio", out, "--mask", mask)


def test_other_addresses_need_a_flag_and_are_warned_of(frames, tmp_path):
    process, _, token = start(frames, "--out", tmp_path / "s", "--host", "0.0.0.0")
    assert "nothing is encrypted" in end(process)
    process, _, again = start(tmp_path / "s", "--host", "0.0.0.0")
    end(process)
    assert again != token


def test_ctrl_c_while_the_model_is_loaded_is_quiet(frames, tmp_path):
    words = ("studio", frames, "--out", tmp_path / "s", "--port", "0", "--no-browser")
    process = start_program(*words, program=[sys.executable, "-c", WHILE_LOADING])
    _, told = process.communicate(timeout=PATIENCE)
    assert (process.returncode, told) == (130, "")


def test_what_is_wrong_is_one_line(frames, tmp_path, fails, taken):
    assert "no such file" in fails("studio", tmp_path / "none.mp4", "--out", tmp_path / "a")
    told = fails("studio", frames, "--out", tmp_path / "b", "--no-browser")
    assert f"cannot listen on 127.0.0.1:{taken}" in told
    assert "leave out --out" in fails("studio", tmp_path / "b", "--out", tmp_path / "c")


def test_a_missing_extra_is_named(frames):
    without = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'uvicorn': raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from persam_video.cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", without, "studio", frames],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    told = done.stderr
    assert (done.returncode, told.count("\n")) == (2, 1)
    assert "pip install 'persam-video[studio]'" in told
    assert "uvicorn" in told
