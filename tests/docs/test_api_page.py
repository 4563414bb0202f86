"""The page of the Python API names what there is, explained, and all that is public."""

import re
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path

import pytest

import persam_video
from persam_video import errors

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
NAMED = re.findall(r"^::: persam_video\.(\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
WHOLE = ["batch", "images", "perseg", "prompting", "run", "sam", "synthetic", "tracking", "video"]


def test_nothing_is_named_twice():
    assert len(set(NAMED)) == len(NAMED)


@pytest.mark.parametrize("name", [name for name in NAMED if name != "errors"])
def test_names_are_there_and_explained(name):
    module, _, attribute = f"persam_video.{name}".rpartition(".")
    found = getattr(import_module(module), attribute)
    if isclass(found) or isfunction(found):
        assert found.__doc__


@pytest.mark.parametrize("package", WHOLE)
def test_public_names_of_a_package_are_on_the_page(package):
    public = import_module(f"persam_video.{package}").__all__
    named = {name for name in public if {name, f"{package}.{name}"} & set(NAMED)}
    assert named == set(public)


def test_names_of_persam_video_itself_are_on_the_page():
    shown = {name.rpartition(".")[2] for name in NAMED} | set(vars(errors))
    assert set(persam_video.__all__) <= shown


def test_docstrings_are_written_for_the_site():
    for module in Path(persam_video.__file__).parent.rglob("*.py"):
        text = module.read_text(encoding="utf-8")
        # roles are of Sphinx, which does not make this site
        assert not re.search(r":(class|func|meth|mod|data|attr|exc):`", text), module
        # a section of another name is shown as a quotation
        assert not re.search(r"^ *Example:\n *>>> ", text, re.MULTILINE), module
