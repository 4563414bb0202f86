"""What the weights' tests in ``sam/test_download.py`` leave: files of which little is known."""

import hashlib

import numpy as np
import pytest

from persam_video.errors import DownloadError
from persam_video.util.download import RemoteFile, check_address, download_file, file_sha256

CONTENT = np.random.default_rng(0).bytes(600_000)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "archive.zip"


@pytest.fixture
def part(file):
    file.parent.mkdir()
    return file.with_name("archive.zip.part")


def fetch(server, file, *, seen=None, **facts):
    remote = RemoteFile(server.url, **facts)
    progress = [] if seen is None else seen
    download_file(
        remote,
        file,
        publishers=None,
        otherwise="fetch it by hand",
        on_progress=lambda done, total: progress.append((done, total)),
        timeout=60,
        attempts=3,
        pause=0,
    )


def test_the_server_tells_the_size(file_server, file):
    seen = []
    fetch(file_server(CONTENT), file, seen=seen)
    assert file.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_is_noticed_by_the_size_that_was_told(file_server, file):
    server = file_server(CONTENT, {"cut": 100_000}, {})
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_part_left_over_by_another_call_is_gone_on_with(file_server, file, part):
    part.write_bytes(CONTENT[:1000])
    server = file_server(CONTENT)
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_a_part_that_is_whole_already_is_put_in_place(file_server, file, part):
    part.write_bytes(CONTENT)
    server = file_server(CONTENT, {"status": 416, "total": len(CONTENT)})
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_part_that_is_too_long_is_started_over(file_server, file, part):
    part.write_bytes(CONTENT + b"more")
    server = file_server(CONTENT, {"status": 416, "total": len(CONTENT)}, {})
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_without_any_length_the_end_is_taken_for_the_end(file_server, file):
    seen = []
    fetch(file_server(CONTENT, {"length": False}), file, seen=seen)
    assert file.read_bytes() == CONTENT
    assert seen[0] == (0, None)


def test_what_is_too_large_is_refused_before_it_comes(file_server, file):
    with pytest.raises(DownloadError, match="600000 bytes, where there can be 1000 at most"):
        fetch(file_server(CONTENT), file, most=1000)
    assert list(file.parent.iterdir()) == []


def test_what_does_not_end_is_given_up(file_server, file):
    with pytest.raises(DownloadError, match="has no end"):
        fetch(file_server(CONTENT, {"length": False}), file, most=1000)
    assert list(file.parent.iterdir()) == []


def test_a_known_hash_is_checked_where_the_size_is_not_known(file_server, file):
    with pytest.raises(DownloadError, match="SHA-256 differs"):
        fetch(file_server(CONTENT), file, sha256="0" * 64)
    assert list(file.parent.iterdir()) == []
    fetch(file_server(CONTENT), file, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("facts", "requests"),
    [({}, 0), ({"size": 5}, 0), ({"size": len(CONTENT)}, 1), ({"sha256": "0" * 64}, 1)],
)
def test_a_file_that_is_there_is_kept_as_far_as_it_can_be_right(file_server, file, facts, requests):
    file.parent.mkdir()
    file.write_bytes(b"other")
    server = file_server(CONTENT)
    try:
        fetch(server, file, **facts)
    except DownloadError:
        assert facts["sha256"] == "0" * 64
    assert len(server.ranges) == requests


def test_the_advice_is_the_caller_s(file_server, file):
    with pytest.raises(DownloadError, match=r"HTTP 404 .*: fetch it by hand$"):
        fetch(file_server(CONTENT, {"status": 404}), file)


def test_the_hash_is_the_file_s(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"abc")
    # the first example of FIPS 180-2
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(file) == expected


@pytest.mark.parametrize(
    ("sent_on_to", "publishers", "message"),
    [
        ("http://example.org/b", None, "redirects to http://example.org/b, which is not https"),
        ("http://example.org/b", ("example.org",), "not https on a publisher's host"),
        ("https://example.com/b", ("example.org",), "not https on a publisher's host"),
        ("file:///etc/hostname", None, "not a web address"),
    ],
)
def test_a_server_may_not_send_on_to_anywhere(sent_on_to, publishers, message):
    check_address("https://example.org/a", publishers, sent_by="https://example.org/")
    with pytest.raises(DownloadError, match=message):
        check_address(sent_on_to, publishers, sent_by="https://example.org/a")


def test_a_size_of_endless_digits_is_no_size(file_server, file):
    # more than Python reads as a number
    server = file_server(CONTENT, {"status": 416, "total": "9" * 5000}, {})
    file.parent.mkdir()
    file.with_name("archive.zip.part").write_bytes(CONTENT)
    fetch(server, file)
    assert file.read_bytes() == CONTENT
