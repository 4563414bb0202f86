"""Every snippet of the documentation: Python is run, command lines are held against the program."""

import json
import re
import shlex
import subprocess
import sys
from itertools import islice
from pathlib import Path

import cv2
import pytest
import typer

from persam_video.cli.main import app
from persam_video.masks import write_label_png
from persam_video.synthetic import demo
from persam_video.video import VideoWriter

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def snippets(language):
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
        if kind == language
    ]


def commands():
    """Return every line that calls the program; a backslash at its end goes on in the next."""
    found = []
    for page in PAGES:
        for kind, text in FENCE.findall(page.read_text(encoding="utf-8")):
            for line in text.replace("\\\n", " ").splitlines() if kind == "bash" else ():
                words = shlex.split(line, comments=True)
                if words and Path(words[0]).name == "persam-video":
                    found.append(pytest.param(words[1:], id=f"{page.name}: {line.strip()}"[:90]))
    return found


@pytest.mark.parametrize("words", commands())
def test_command_lines_are_understood(words):
    """Read the arguments as the program does, without doing what they say."""
    command = typer.main.get_command(app)
    context = command.make_context("persam-video", list(words))
    while hasattr(command, "resolve_command"):
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            break  # a group of commands that does something by itself
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, f"no command {name}"
        context = command.make_context(name, rest, parent=context)


@pytest.fixture
def workplace(tmp_path):
    """A folder with the files that the snippets name: ``clip.mp4`` and its ``first.png``."""
    clip = demo()
    frames = list(islice(clip.frames(), 3))
    small = [cv2.resize(rgb, (160, 90), interpolation=cv2.INTER_AREA) for rgb, _ in frames]
    with VideoWriter(tmp_path / "clip.mp4", size=(160, 90), fps=clip.fps) as writer:
        for number, rgb in enumerate(small):
            writer.write(rgb, number / float(clip.fps))
    first = cv2.resize(frames[0][1], (160, 90), interpolation=cv2.INTER_NEAREST)
    write_label_png(tmp_path / "first.png", first)
    return tmp_path


def run_in(folder, source):
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("source", snippets("python"))
def test_python_runs(source, workplace):
    run_in(workplace, source)


def test_the_notebook_runs_from_top_to_bottom(tmp_path):
    cells = json.loads((ROOT / "docs" / "tour.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 4
    said = run_in(tmp_path, "\n".join(code))
    assert "J&F" in said
