"""The examples in docstrings do what they show; those that need a video are skipped."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import persam_video

ROOT = Path(persam_video.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}
SHOWING = [name for name, path in MODULES.items() if ">>> " in path.read_text("utf-8")]


def examples(name):
    tests = doctest.DocTestFinder().find(import_module(name))
    return [example for test in tests for example in test.examples]


@pytest.mark.parametrize("name", SHOWING)
def test_examples_do_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert examples(name)
    assert doctest.testmod(import_module(name)).failed == 0
    assert not list(tmp_path.iterdir())


def test_most_modules_with_examples_have_one_that_runs():
    running = [
        name
        for name in SHOWING
        if any(doctest.SKIP not in example.options for example in examples(name))
    ]
    assert len(running) > len(SHOWING) / 2
