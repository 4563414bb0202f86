"""Which files are read, and which are fetched."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from persam_video.errors import ConfigError, DownloadError, SourceError
from persam_video.plugins.label_studio.media import Media

JWT = "aaa.bbb.ccc"


@pytest.fixture
def server():
    """Give the address of a Label Studio that has one file, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            if self.path == "/data/upload/1/moved.mp4":
                self.send_response(302)
                self.send_header("Location", "/data/upload/1/a.mp4")
                self.end_headers()
                return
            known = self.headers["Authorization"] in ("Token legacy", "Bearer fresh")
            body = b"video" * 10 if known else b"no"
            self.answer(200 if known else 401, body)

        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, sent))
            self.answer(200, b'{"access": "fresh"}')

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: 20 if self.path.endswith("cut.mp4") else None])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


def media(tmp_path, server="http://localhost:8080", key=None, most=100, root="root"):
    return Media(root and tmp_path / root, tmp_path / "files", server, key, most)


def test_local_files_are_below_the_root(tmp_path):
    (tmp_path / "root" / "a b").mkdir(parents=True)
    file = tmp_path / "root" / "a b" / "clip.mp4"
    file.write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "root" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    found = media(tmp_path)
    for address in ("/data/local-files/?d=a%20b/clip.mp4", "/data/local-files/?d=/a+b/clip.mp4"):
        assert found.find(address) == file
        assert found.find(f"http://localhost:8080{address}") == file
    for wrong in ("link.mp4", "../secret.mp4", str(tmp_path / "secret.mp4"), "a%20b", "", "%00"):
        with pytest.raises(SourceError, match="no such file below the root"):
            found.find(f"/data/local-files/?d={wrong}")
    with pytest.raises(SourceError, match="no such file below the root"):
        media(tmp_path, root=None).find("/data/local-files/?d=a%20b/clip.mp4")


def test_playlists_are_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "list.mp4").write_bytes(b"#EXTM3U\n/etc/passwd")
    with pytest.raises(SourceError, match="is a playlist"):
        media(tmp_path).find("/data/local-files/?d=list.mp4")


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "//other/clip.mp4",
        "https://localhost:8080/data/upload/1/a.mp4",
        "http://localhost:8080@other/a.mp4",
        "file:///etc/passwd",
        "s3://bucket/clip.mp4",
    ],
)
def test_other_servers_are_never_asked(tmp_path, address):
    with pytest.raises(SourceError, match="is on another server"):
        media(tmp_path, key="k").find(address)


@pytest.mark.parametrize("address", [None, "", 5, ["a"]])
def test_a_task_without_an_address_is_told(tmp_path, address):
    with pytest.raises(SourceError, match="has no address"):
        media(tmp_path).find(address)


@pytest.mark.parametrize("key", ["legacy", JWT])
def test_uploads_are_fetched_once_with_either_kind_of_key(tmp_path, server, key):
    url, asked = server
    found = media(tmp_path, url, key)
    path = found.find("/data/upload/1/a.mp4")
    assert (path.read_bytes(), path.suffix) == (b"video" * 10, ".mp4")
    assert found.find("/data/upload/1/a.mp4") == path
    if key == JWT:
        assert asked.pop(0) == ("/api/token/refresh", {"refresh": JWT})
    assert asked == [("/data/upload/1/a.mp4", "Bearer fresh" if key == JWT else "Token legacy")]


@pytest.mark.parametrize(
    ("key", "most", "name", "told"),
    [
        ("wrong", 100, "a.mp4", "status 401; check LABEL_STUDIO_API_KEY"),
        ("legacy", 10, "a.mp4", "allow more with --upload-limit"),
        ("legacy", 100, "moved.mp4", "status 302"),
        ("legacy", 100, "cut.mp4", "the connection ended before the file did"),
    ],
)
def test_what_cannot_be_fetched_leaves_nothing(tmp_path, server, key, most, name, told):
    with pytest.raises(DownloadError, match=told):
        media(tmp_path, server[0], key, most).find(f"/data/upload/1/{name}")
    assert list((tmp_path / "files").iterdir()) == []


@pytest.mark.parametrize("name", ["größe 1.mp4", "gr%C3%B6%C3%9Fe%201.mp4"])
def test_any_name_of_an_upload_can_be_asked_for(tmp_path, server, name):
    url, asked = server
    media(tmp_path, url, "legacy").find(f"/data/upload/1/{name}")
    assert asked[0][0] == "/data/upload/1/gr%C3%B6%C3%9Fe%201.mp4"


def test_addresses_that_cannot_be_are_told(tmp_path):
    (tmp_path / "root").mkdir()
    with pytest.raises(SourceError, match="is no web address"):
        media(tmp_path).find("http://[localhost/a.mp4")
    with pytest.raises(SourceError, match="no such file below the root"):
        media(tmp_path).find(f"/data/local-files/?d={'x' * 300}.mp4")


def test_without_a_key_or_a_server_it_is_told_what_to_do(tmp_path):
    with pytest.raises(SourceError, match="set LABEL_STUDIO_API_KEY"):
        media(tmp_path).find("/data/upload/1/a.mp4")
    with pytest.raises(DownloadError, match="check --label-studio"):
        media(tmp_path, "http://127.0.0.1:9", "legacy").find("/data/upload/1/a.mp4")
    with pytest.raises(ConfigError, match="begins with http://"):
        media(tmp_path, "file:///tmp")
