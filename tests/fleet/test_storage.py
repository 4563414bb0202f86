import errno

import fsspec
import pytest

from persam_video.errors import ConfigError, OutputError, SourceError
from persam_video.fleet.options import NodeError
from persam_video.fleet.storage import (
    Shelf,
    check_mark,
    fetch,
    is_remote,
    read_bytes,
    scratch_folder,
    shared_mark,
    size_of,
)
from persam_video.util.lock import exclusive_folder


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path):
    """Give a place for results: a folder, or a storage without folders."""
    if request.param == "folder":
        return str(tmp_path / "out")
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    return "memory://bucket/out"


def results(folder, text):
    (folder / "masks").mkdir(parents=True)
    (folder / "masks" / "00000.png").write_text(text)
    (folder / "run.json").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("s3://bucket/a.mp4", True),
        ("gs://bucket/a.mp4", True),
        ("memory://a", True),
        ("file:///a.mp4", False),
        ("http://host/a.mp4", False),
        ("rtsp://host/1", False),
        ("a.mp4", False),
        ("C:/a.mp4", False),
        ("0", False),
    ],
)
def test_what_lies_on_a_storage(text, remote):
    assert is_remote(text) is remote


def test_results_appear_and_are_replaced_and_taken_back(place, tmp_path):
    shelf = Shelf(place, "run.json")
    assert shelf.names() == set()
    assert not shelf.has("clip")
    shelf.put(results(tmp_path / "first" / "clip", "one"))
    assert shelf.names() == {"clip"}
    assert shelf.has("clip")
    folder = results(tmp_path / "second" / "clip", "two")
    (folder / "masks" / "00000.png").rename(folder / "masks" / "00001.png")
    shelf.put(folder)
    shelf.take("clip", tmp_path / "taken")
    taken = {
        path.relative_to(tmp_path / "taken").as_posix(): path.read_text()
        for path in (tmp_path / "taken").rglob("*")
        if path.is_file()
    }
    assert taken == {"clip/masks/00001.png": "two", "clip/run.json": "two"}


def test_results_on_a_storage_count_only_with_their_last_file(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe_file("/half/clip/masks/00000.png", b"one")
    assert not Shelf("memory://half", "run.json").has("clip")


def test_what_killed_workers_and_commands_left_beside_results_is_swept(tmp_path):
    shelf = Shelf(str(tmp_path), "run.json")
    results(tmp_path / ".clip.part-0123", "half")
    with shared_mark(tmp_path) as mark:
        left = mark.with_name(f"{mark.name}0")
        left.touch()
    assert shelf.names() == set()
    shelf.sweep()
    assert list(tmp_path.iterdir()) == []


def test_files_and_folders_are_fetched(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe({"/in/a.mp4": b"film", "/in/frames/0.jpg": b"0", "/in/frames/1.jpg": b"1"})
    assert fetch("memory://in/a.mp4", tmp_path).read_bytes() == b"film"
    frames = fetch("memory://in/frames", tmp_path)
    assert sorted(path.name for path in frames.iterdir()) == ["0.jpg", "1.jpg"]
    assert (size_of("memory://in/frames"), read_bytes("memory://in/a.mp4")) == (2, b"film")


def test_a_key_that_leads_out_of_its_folder_is_refused(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe_file("/in/frames/0.jpg", b"0")
    # by itself, this storage would resolve it
    system.store["/in/frames/../../0.jpg"] = system.store["/in/frames/0.jpg"]
    with pytest.raises(SourceError, match="leads out of the folder"):
        fetch("memory://in/frames", tmp_path / "a" / "b")
    assert list(tmp_path.rglob("*.jpg")) == []


@pytest.mark.parametrize(
    ("url", "kind", "says"),
    [
        ("memory://in/gone.mp4", SourceError, "no such file"),
        ("nonsense://in/a.mp4", ConfigError, "give a path or a URL that fsspec knows"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(tmp_path, url, kind, says):
    with pytest.raises(kind, match=says) as error:
        fetch(url, tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_shared_is_told(tmp_path):
    with shared_mark(tmp_path / "out") as mark:
        check_mark(mark)
        with pytest.raises(NodeError, match="mount it on all machines"):
            check_mark(tmp_path / "elsewhere" / mark.name)
    assert list((tmp_path / "out").iterdir()) == []


def test_scratch_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    results(tmp_path / "persam-video-killed.work", "half")
    alive = tmp_path / "persam-video-alive.work"
    with exclusive_folder(alive), scratch_folder() as mine:
        (mine / "file").touch()
        assert set(tmp_path.iterdir()) == {alive, mine}
    assert set(tmp_path.iterdir()) == {alive}


def test_a_full_shared_folder_is_told(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    with pytest.raises(OutputError, match="free some space"):
        Shelf(str(tmp_path / "out"), "run.json").put(results(tmp_path / "clip", "one"))
