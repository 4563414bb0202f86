"""The package's floors: what is built on what, so that each part can be read before its users."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import persam_video

ROOT = Path(persam_video.__file__).parent

FLOORS = (
    ("errors",),
    ("util",),
    ("config", "masks", "video"),
    ("davis", "results", "sam", "synthetic"),
    ("drawing", "persam", "vos"),
    ("images", "prompting", "sinks", "tracking"),
    ("fleet", "perseg", "upstream"),
    ("run",),
    ("report",),
    ("batch", "benchmark", "demo", "studio"),
    ("plugins",),
    ("cli",),
    ("__init__", "__main__"),
)
"""Packages, and modules beside them; each imports from floors below its own only."""

WITHOUT_TORCH = (
    "errors",
    "util",
    "masks",
    "video",
    "results",
    "davis",
    "vos",
    "synthetic",
    "drawing",
    "sinks",
    "report",
    "run.export",
    "run.stored",
    "cli.main",
)
"""What reads, draws, writes and scores masks starts in a moment, for torch takes seconds."""


def modules() -> dict[str, Path]:
    """Return the files of all modules by their dotted names."""
    return {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in ROOT.rglob("*.py")
    }


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Give the modules of the package that one imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what is imported"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        # of "from package import module" the module counts, and the package as well
        yield from (name for name in names if name in known)


def part_of(module: str) -> str:
    """Return the package of a module, or its own name where it lies beside them."""
    return module.split(".")[1] if "." in module else "__init__"


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: {*imports(path, known)} - {name} for name, path in known.items()}


def test_every_part_has_its_floor(graph):
    assert sorted(part for floor in FLOORS for part in floor) == sorted({*map(part_of, graph)})
    assert "persam_video.sinks.outputs" in graph["persam_video.run.folder"]


def test_nothing_imports_upward(graph):
    height = {part: number for number, floor in enumerate(FLOORS) for part in floor}
    upward = [
        f"{module} imports {wanted}"
        for module, found in graph.items()
        for wanted in found
        if part_of(wanted) != part_of(module) and height[part_of(wanted)] >= height[part_of(module)]
    ]
    assert upward == []


def test_no_module_needs_one_that_needs_it(graph):
    # a package's own modules may be imported by way of it, but not by one another
    inner = {
        module: {wanted for wanted in found if not module.startswith(f"{wanted}.")}
        for module, found in graph.items()
    }
    try:
        TopologicalSorter(inner).prepare()
    except CycleError as error:
        pytest.fail(f"these need one another: {' → '.join(error.args[1])}")


def test_the_names_of_the_package_itself_wait_for_torch_until_it_is_needed():
    program = (
        "import sys, persam_video\n"
        "assert 'torch' not in sys.modules\n"
        "from persam_video import (FrameRange, FrameResult, FrameStream, Settings,\n"
        "    compare_runs, evaluate, export, read_annotation, render, report_run)\n"
        "assert 'torch' not in sys.modules\n"
        "from persam_video import Tracker\n"
        "assert 'torch' in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_needs_no_torch_imports_none(graph):
    parts = [f"persam_video.{part}" for part in WITHOUT_TORCH]
    # optional libraries are imported when they are used
    names = [
        name
        for part in parts
        for name in sorted(graph)
        if name == part or name.startswith(f"{part}.")
    ]
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{name} imports torch')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *names], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(names) > 50
