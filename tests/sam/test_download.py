import hashlib

import numpy as np
import pytest

from persam_video.errors import ModelError, OutputError
from persam_video.sam.download import download_weights
from persam_video.sam.registry import PublishedWeights

CONTENT = np.random.default_rng(0).bytes(600_000)
OTHER = np.random.default_rng(1).bytes(600_000)
WEIGHTS = PublishedWeights(
    "https://github.com/some/weights.pth", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache" / "weights.pth"


@pytest.fixture
def part(file):
    return file.with_name("weights.pth.part")


def fetch(server, file, **options):
    download_weights(
        WEIGHTS, file, url=server.url, **{"timeout": 60, "attempts": 3, "pause": 0} | options
    )


def test_a_whole_file_appears_and_nothing_else(file_server, file):
    server = file_server(CONTENT)
    seen = []
    fetch(server, file, on_progress=lambda done, total: seen.append((done, total)))
    assert file.read_bytes() == CONTENT
    assert [entry.name for entry in file.parent.iterdir()] == ["weights.pth"]
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_a_cut_connection_is_taken_up_where_it_broke(file_server, file):
    server = file_server(CONTENT, {"cut": 100_000}, {"cut": 300_000}, {})
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", "bytes=400000-"]


def test_the_next_call_goes_on(file_server, file, part):
    with pytest.raises(ModelError, match="continues where it stopped"):
        fetch(file_server(CONTENT, {"cut": 100_000}, {"status": 503}), file)
    assert not file.exists()
    assert part.read_bytes() == CONTENT[:100_000]

    server = file_server(CONTENT)
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == ["bytes=100000-"]


def test_a_server_without_ranges_is_started_over(file_server, file):
    server = file_server(CONTENT, {"cut": 100_000}, {"ranges": False})
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_attempts_that_get_no_further_come_to_an_end(file_server, file):
    server = file_server(CONTENT, {"cut": 100_000, "ranges": False})
    with pytest.raises(ModelError, match="ended after 100000 of 600000 bytes"):
        fetch(server, file, attempts=3)
    assert len(server.ranges) == 3


def test_a_reset_connection_keeps_what_came(file_server, file):
    server = file_server(CONTENT, {"cut": 200_000, "reset": True}, {})
    fetch(server, file)
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("more", [b"", b"more"])
def test_no_length_is_no_obstacle(file_server, file, more):
    fetch(file_server(CONTENT + more, {"length": False}), file)
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "behaviour", "message"),
    [
        (OTHER, {}, "SHA-256 differs"),
        (b"<html>sign in</html>", {}, "another file: it has 20 bytes, the published one 600000"),
        (CONTENT + b"more", {}, "another file: it has 600004 bytes"),
        (CONTENT, {"status": 404}, "HTTP 404 .*pass --checkpoint"),
        (CONTENT, {"status": 403}, "HTTP 403"),
        (CONTENT, {"status": 500}, "HTTP 500 .*check the connection"),
        (CONTENT, {"status": 416}, "HTTP 416"),
        (CONTENT, {"location": "file:///etc/hostname"}, "HTTP 302"),
        (CONTENT, {"location": "ftp://localhost/weights.pth"}, "not a web address"),
    ],
)
def test_what_is_not_the_file_leaves_nothing(file_server, file, part, content, behaviour, message):
    server = file_server(content, behaviour)
    with pytest.raises(ModelError, match=message) as caught:
        fetch(server, file)
    assert "\n" not in str(caught.value)
    assert not file.exists()
    assert not part.exists()


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_not_asked_again(file_server, file, status):
    server = file_server(CONTENT, {"status": status})
    with pytest.raises(ModelError):
        fetch(server, file)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_fault_that_may_pass_is_asked_again(file_server, file, status):
    server = file_server(CONTENT, {"status": status}, {})
    fetch(server, file)
    assert file.read_bytes() == CONTENT


def test_silence_from_the_start_is_one_clear_line(file_server, file):
    with pytest.raises(ModelError, match="timed out"):
        fetch(file_server(CONTENT, {"hang_at": 0}), file, timeout=0.2)
    assert not file.exists()


def test_silence_in_the_middle_is_a_lost_connection(file_server, file):
    server = file_server(CONTENT, {"hang_at": 250_000}, {})
    fetch(server, file, timeout=2)
    assert file.read_bytes() == CONTENT
    assert server.ranges[0] is None
    # a busy machine may be silent earlier, or once more
    assert any(server.ranges[1:])


def test_a_redirect_is_followed(file_server, file):
    target = file_server(CONTENT)
    fetch(file_server(b"", {"location": target.url}), file)
    assert file.read_bytes() == CONTENT


def test_another_range_than_asked_for_is_refused(file_server, file, part):
    part.parent.mkdir()
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(ModelError, match="another part"):
        fetch(file_server(CONTENT, {"shift": 5}), file)
    assert part.read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize(
    ("left_over", "ranges"),
    [
        (CONTENT[:1], ["bytes=1-"]),
        (CONTENT[:-1], ["bytes=599999-"]),
        (CONTENT, []),
        (CONTENT + b"more", [None]),
    ],
)
def test_a_left_over_part_is_used(file_server, file, part, left_over, ranges):
    part.parent.mkdir()
    part.write_bytes(left_over)
    server = file_server(CONTENT)
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == ranges


def test_a_spoilt_part_is_thrown_away(file_server, file, part):
    part.parent.mkdir()
    part.write_bytes(OTHER[:1000])
    server = file_server(CONTENT)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        fetch(server, file)
    assert not part.exists()
    fetch(server, file)
    assert file.read_bytes() == CONTENT


def test_a_range_past_the_end_starts_over(file_server, file, part):
    part.parent.mkdir()
    part.write_bytes(CONTENT[:1000])
    server = file_server(CONTENT, {"status": 416}, {})
    fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_file_that_is_there_is_not_fetched_again(file_server, file):
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    server = file_server(CONTENT)
    fetch(server, file)
    assert server.ranges == []


def test_a_damaged_file_is_replaced_only_by_a_whole_one(file_server, file):
    file.parent.mkdir()
    file.write_bytes(OTHER)
    with pytest.raises(ModelError):
        fetch(file_server(CONTENT, {"cut": 1000, "ranges": False}), file)
    assert file.read_bytes() == OTHER
    fetch(file_server(CONTENT), file)
    assert file.read_bytes() == CONTENT


def test_nobody_listening_is_one_clear_line(file_server, file):
    server = file_server(CONTENT)
    server.close()
    with pytest.raises(ModelError, match=r"refused.*check the connection"):
        fetch(server, file)


def test_a_folder_that_cannot_be_made(file_server, tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(file_server(CONTENT), tmp_path / "cache" / "weights.pth")


@pytest.mark.parametrize(
    "url",
    [
        "http://dl.fbaipublicfiles.com/weights.pth",
        "https://example.org/weights.pth",
        "https://github.com@example.org/weights.pth",
        "http://127.0.0.1:9/weights.pth",
    ],
)
def test_published_files_come_from_listed_hosts_by_https(file, url):
    weights = PublishedWeights(url, WEIGHTS.size, WEIGHTS.sha256)
    with pytest.raises(ModelError, match="not https on a publisher's host"):
        download_weights(weights, file)
    assert not file.parent.exists()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "weights.pth", "http://[::1", "ftp://a/b"])
def test_only_web_addresses_are_taken(file, url):
    with pytest.raises(ModelError, match="address"):
        download_weights(WEIGHTS, file, url=url)
