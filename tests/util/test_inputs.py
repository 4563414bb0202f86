import os
from pathlib import Path

import pytest

from persam_video.errors import OutputError
from persam_video.util.inputs import OutputFolder, ProtectedInputs, same_place

IMAGES = {".png", ".jpg"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "frames/1.jpg", "run/masks/0.png", "data/a/b.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    return tmp_path


def refused(inputs, *outputs, folders=()):
    with pytest.raises(OutputError, match="choose another place"):
        inputs.check(outputs, folders)


def test_a_file_is_the_same_by_whatever_path(here):
    os.link("clip.mp4", "hard.mp4")
    Path("soft.mp4").symlink_to("clip.mp4")
    Path("linked").symlink_to(here / "frames", target_is_directory=True)
    inputs = ProtectedInputs((Path("clip.mp4"), Path("linked/1.jpg")))
    for path in (
        Path("clip.mp4"),
        here / "clip.mp4",
        Path("frames/../clip.mp4"),
        Path("hard.mp4"),
        Path("soft.mp4"),
        Path("frames/1.jpg"),
    ):
        refused(inputs, path)
        refused(ProtectedInputs((path,)), Path("clip.mp4"), Path("frames/1.jpg"))
    inputs.check([Path("other.mp4"), Path("frames/2.jpg"), Path("clip.mp4/x"), Path("x" * 300)])


def test_the_hidden_file_that_is_written_first_counts(here):
    Path(".out.mp4.part").touch()
    refused(ProtectedInputs((Path(".out.mp4.part"),)), Path("out.mp4"))


def test_no_image_is_added_to_a_folder_that_is_read(here):
    inputs = ProtectedInputs(folders={Path("frames"): IMAGES})
    refused(inputs, here / "frames" / "reference.png")
    refused(inputs, folders=[OutputFolder(Path("frames"), frozenset({".png"}))])
    inputs.check(
        [Path("frames/run.json"), Path("frames/out/a.png")],
        [OutputFolder(Path("frames/out"), frozenset({".png"}))],
    )
    both = inputs | ProtectedInputs(folders={here / "frames": {".json"}})
    refused(both, Path("frames/run.json"))
    refused(both, Path("frames/new.png"))


@pytest.mark.parametrize(
    ("pattern", "hit", "free"),
    [
        ("frames/*.jpg", "frames/9.jpg", "frames/9.png"),
        ("*/*.png", "out/reference.png", "out/masks/0.png"),
        ("**/*.png", "out/masks/0.png", "out/overlay.mp4"),
        ("frames/[0-9].jpg", "frames/3.jpg", "frames/x.jpg"),
    ],
)
def test_nothing_is_added_to_what_a_pattern_matches(here, pattern, hit, free):
    for text in (pattern, str(here / pattern)):
        refused(ProtectedInputs(patterns=(text,)), Path(hit))
        ProtectedInputs(patterns=(text,)).check([Path(free)])


def test_a_folder_that_is_written_to_holds_no_input(here):
    inputs = ProtectedInputs((Path("run/masks/0.png"),))
    png, text = frozenset({".png"}), frozenset({".txt"})
    refused(inputs, folders=[OutputFolder(Path("run/masks"), png)])
    refused(inputs, folders=[OutputFolder(here / "run", recursive=True)])
    inputs.check([], [OutputFolder(Path("run/masks"), text), OutputFolder(Path("run"), png)])
    # a name in the folder that leads to an input elsewhere
    os.link("run/masks/0.png", "frames/0.png")
    refused(inputs, folders=[OutputFolder(Path("frames"), png)])


def test_what_is_in_a_tree_stays(here):
    inputs = ProtectedInputs(trees=(Path("data"),))
    refused(inputs, Path("data/a/b.txt"))
    refused(inputs, folders=[OutputFolder(Path("data/a"), frozenset({".png"}))])
    inputs.check([Path("data/a/new.txt"), Path("b.txt")])


def test_files_that_are_not_there_yet(here):
    assert same_place(Path("new.png"), here / "frames" / ".." / "new.png")
    assert not same_place(Path("new.png"), Path("clip.mp4"))
    ProtectedInputs((Path("missing"),), {Path("missing"): IMAGES}, trees=(Path("gone"),)).check(
        [Path("missing"), Path("a.png")], [OutputFolder(Path("missing"))]
    )
