import hashlib
import io
import json
import signal
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from persam_video.cli import main
from persam_video.davis.fetch import ARCHIVES, PUBLISHERS, find_archive
from persam_video.errors import DatasetError


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        line = ["persam-video", "davis-download", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as end:
            main.run()
        return end.value.code or 0, *capsys.readouterr()

    before = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, before)


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


def test_only_the_authors_hosts_serve_without_url():
    for archive in ARCHIVES.values():
        assert archive.url.startswith(tuple(f"https://{host}/" for host in PUBLISHERS))
        assert archive.url.endswith(".zip")
        assert archive.sha256 is None or len(archive.sha256) == 64


def test_the_list_names_address_and_page(run):
    status, out, _ = run()
    assert status == 0
    for name, archive in ARCHIVES.items():
        assert name in out
        assert archive.url in out
        assert archive.page in out
    listed = json.loads(run("--json")[1])["archives"]
    assert {name: facts["url"] for name, facts in listed.items()} == {
        name: archive.url for name, archive in ARCHIVES.items()
    }


def test_an_archive_that_is_none_is_told(run):
    status, _, err = run("2017-trainvall")
    assert (status, err.count("\n")) == (2, 1)
    assert "did you mean '2017-trainval'?" in err
    with pytest.raises(DatasetError, match="known are 2016, 2017-trainval"):
        find_archive("youtube")
