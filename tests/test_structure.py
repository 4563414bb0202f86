"""Packages build on one another in one direction, so that each can be read before its users."""

import ast
from collections.abc import Iterator
from pathlib import Path

import persam_video

ROOT = Path(persam_video.__file__).parent


def imported(source: Path) -> Iterator[str]:
    """Give the packages, or modules at the top, that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        top, _, inner = node.module.partition(".")
        if top == "persam_video":
            yield from [inner.split(".")[0]] if inner else (each.name for each in node.names)


def test_no_package_needs_one_that_needs_it():
    needs: dict[str, set[str]] = {}
    for source in ROOT.rglob("*.py"):
        if source.parent == ROOT and source.stem == "__init__":
            continue  # the public names are imported when they are first used
        place = source.relative_to(ROOT)
        name = place.parts[0] if len(place.parts) > 1 else place.stem
        needs.setdefault(name, set()).update(set(imported(source)) - {name})
    assert "run" in needs
    assert "sinks" in needs["run"]
    while needs:
        free = {name for name, wanted in needs.items() if not wanted & needs.keys()}
        assert free, f"these need one another: {sorted(needs)}"
        for name in free:
            del needs[name]
