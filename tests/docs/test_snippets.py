"""Every snippet of the documentation runs: a page from top to bottom, in order, in one folder."""

import importlib.util
import json
import re
import shlex
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest
import typer

import persam_video
from persam_video.cli import main as program
from persam_video.sam import build
from persam_video.sam.registry import model_spec

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*) -->\n)?"
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: after the fence.
        text: inside.
        note: of a comment right above it, such as ``not run: needs a GPU``.
        title: the file that it is to be saved as.
    """

    language: str
    text: str
    note: str | None
    title: str | None

    @property
    def runs(self) -> bool:
        """Whether it needs nothing that tests do not have."""
        return self.note is None or not self.note.startswith(("not run: ", "command: "))

    @property
    def lines(self) -> list[str]:
        """The command lines; a backslash at the end of one goes on in the next."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    return [
        Block(match["language"], match["text"], match["note"], match["title"])
        for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))
    ]


SMALL = ("--set", "model.image_size=256")  # the same in a tenth of the time


def command_lines():
    """Return every line that calls the program, those that are not run here, too."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            for line in block.lines if block.language == "bash" else ():
                words = shlex.split(line, comments=True)
                if words and Path(words[0]).name == "persam-video":
                    found.append(pytest.param(words[1:], id=f"{page.name}: {line.strip()}"[:90]))
    return found


def takes(words, option):
    """Read arguments as the program does, without doing what they say."""
    command = typer.main.get_command(program.app)
    context = command.make_context("persam-video", list(words))
    while hasattr(command, "resolve_command"):
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            break  # a group of commands that does something by itself
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, f"no command {name}"
        context = command.make_context(name, rest, parent=context)
    return any(option in parameter.opts for parameter in command.params)


@pytest.mark.parametrize("words", command_lines())
def test_command_lines_are_understood(words):
    words = words[: words.index(">")] if ">" in words else words
    if words and words[0].startswith("--"):
        return  # options such as --install-completion act when they are read
    takes(words, "--help")


@pytest.fixture
def small_model(monkeypatch):
    """Load the embedded model for small images in this process, where nothing else is asked for."""

    def small(name):
        spec = model_spec(name)
        return replace(spec, image_size=256) if name == "lite" else spec

    monkeypatch.setattr(build, "model_spec", small)


@pytest.mark.usefixtures("small_model")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_run_from_top_to_bottom(page, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    for block in blocks(page):
        if block.title is not None:
            (workplace / block.title).write_text(block.text, encoding="utf-8")
        if block.language != "bash" or not block.runs:
            continue
        for line in block.lines:
            run(line, monkeypatch)


def run(line, monkeypatch):
    """Run a command line in this process, which has torch already; in small where it can be."""
    words, into = shlex.split(line, comments=True), None
    assert words[0] == "persam-video", f"say above the block why this is not run: {line}"
    if ">" in words:
        *words, _, into = words
    if "parquet" in line and importlib.util.find_spec("pyarrow") is None:
        return
    if takes(words[1:], "--set") and words[1] != "config":
        words += SMALL
    if words[1] == "reproduce":
        words += ("--workers", "1")  # no others, which had to load torch and the large model
    monkeypatch.setattr(sys, "argv", words)
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            program.run()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    assert status == 0, line
    if into is not None:
        Path(into).write_text(printed.getvalue(), encoding="utf-8")


def python_blocks():
    return [
        pytest.param(block.text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, block in enumerate(blocks(page))
        if block.language == "python"
    ]


@pytest.fixture
def run_python(small_model, monkeypatch, capsys):
    """Give a function that runs a program in a folder, and gives what it prints.

    In this process, where torch is loaded already, and with a small model.
    """

    def run_it(folder, source):
        # what is loaded here must not help a program that says too little
        asked = set(re.findall(r"\bpersam_video\.(\w+)\(", source))
        assert asked <= set(persam_video.__all__)
        monkeypatch.chdir(folder)
        exec(compile(source, "snippet", "exec"), {"__name__": "__main__"})
        return capsys.readouterr().out

    return run_it


@pytest.mark.parametrize("source", python_blocks())
def test_python_runs(source, workplace, run_python):
    if "plugins.notebook" in source:
        pytest.importorskip("anywidget", reason="no anywidget (the extra 'notebook')")
    run_python(workplace, source)


def test_the_notebook_runs_from_top_to_bottom(tmp_path, run_python):
    cells = json.loads((ROOT / "docs" / "tour.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 4
    said = run_python(tmp_path, "\n".join(code))
    assert "J&F" in said
