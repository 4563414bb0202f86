import hashlib
import importlib.util
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def tool():
    file = Path(__file__).parents[2] / "tools" / "get_davis.py"
    spec = importlib.util.spec_from_file_location("get_davis", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["get_davis"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["get_davis"]


@pytest.fixture
def run(tool, capsys, monkeypatch, tmp_path):
    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["get_davis", *map(str, arguments)])
        try:
            tool.main()
            status = 0
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return call


def davis_zip(*, split="test-dev", extra=()):
    """A small archive in the form of the official ones."""
    picture = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture, "PNG")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(f"DAVIS/ImageSets/2017/{split}.txt", "dog\n")
        archive.writestr("DAVIS/Annotations/480p/dog/00000.png", picture.getvalue())
        for frame in range(3):
            archive.writestr(f"DAVIS/JPEGImages/480p/dog/{frame:05d}.jpg", picture.getvalue())
        for name, content in extra:
            archive.writestr(name, content)
    return data.getvalue()


def test_an_archive_is_fetched_unpacked_and_looked_at(run, file_server, tmp_path):
    server = file_server(davis_zip(), {"cut": 100}, {})
    status, out, err = run("2017-test-dev", "--url", server.url)
    assert (status, err) == (0, "")
    assert "test-dev: 1 sequences, 3 frames" in out
    assert server.ranges == [None, "bytes=100-"]
    folder = tmp_path / "data" / "DAVIS-2017"
    assert (folder / "JPEGImages/480p/dog/00002.jpg").is_file()


def test_an_interrupted_command_is_gone_on_with(run, file_server, tmp_path):
    content = davis_zip()
    status, _, err = run(
        "2017-test-dev", "--url", file_server(content, {"cut": 100}, {"status": 404}).url
    )
    assert status == 2
    assert "by hand from https://davischallenge.org/davis2017/code.html" in err
    server = file_server(content)
    assert run("2017-test-dev", "--url", server.url)[0] == 0
    assert server.ranges == ["bytes=100-"]
    assert run("2017-test-dev", "--url", server.url)[0] == 0
    assert len(server.ranges) == 1


def test_a_known_archive_is_taken_by_its_hash_only(run, file_server, tmp_path):
    status, _, err = run("2017-trainval", "--url", file_server(davis_zip()).url)
    assert status == 2
    assert "is another file" in err
    assert not (tmp_path / "data" / "DAVIS-2017").exists()


def test_a_hash_can_be_given(run, file_server, tmp_path):
    content = davis_zip()
    url = file_server(content).url
    status, _, err = run("2017-test-dev", "--url", url, "--sha256", "0" * 64)
    assert status == 2
    assert "SHA-256 differs" in err
    digest = hashlib.sha256(content).hexdigest().upper()
    assert run("2017-test-dev", "--url", url, "--sha256", digest)[0] == 0


def test_an_archive_fetched_by_hand_is_unpacked(run, tmp_path):
    (tmp_path / "mine.zip").write_bytes(davis_zip())
    status, out, _ = run("2017-test-dev", "--archive", "mine.zip", "--out", "there")
    assert status == 0
    assert out.startswith("there/DAVIS-2017: 5 files of mine.zip")
    assert run("2017-trainval", "--archive", "mine.zip")[0] == 2  # of which the hash is known
    status, _, err = run("2017-test-dev", "--archive", "missing.zip")
    assert (status, err.count("\n")) == (2, 1)
    assert "get it from https://davischallenge.org" in err


def test_an_evil_archive_writes_nothing(run, file_server, tmp_path):
    content = davis_zip(extra=[("DAVIS/../../../evil", b"x")])
    status, _, err = run("2017-test-dev", "--url", file_server(content).url, "--out", "a/b")
    assert (status, err.count("\n")) == (2, 1)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b", "DAVIS-2017-test-dev-480p.zip"]


def test_an_archive_of_something_else_is_found_out(run, file_server):
    status, _, err = run("2017-test-dev", "--url", file_server(davis_zip(split="val")).url)
    assert status == 2
    assert "test-dev.txt: no such file" in err


def test_only_the_authors_hosts_serve_without_url(tool):
    for archive in tool.ARCHIVES.values():
        assert archive.url.startswith(tuple(f"https://{host}/" for host in tool.PUBLISHERS))
        assert archive.url.endswith(".zip")
        assert archive.sha256 is None or len(archive.sha256) == 64


def test_the_list_names_address_and_page(run, tool):
    status, out, _ = run("--list")
    assert status == 0
    for name, archive in tool.ARCHIVES.items():
        assert name in out
        assert archive.url in out
        assert archive.page in out
    assert run()[0] == 2
    assert run("2018")[0] == 2
