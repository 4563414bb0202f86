"""A page of pictures, read by real HTTP clients."""

import json
import socket
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from persam_video.util.live_page import LivePage
from tests.mjpeg import jpegs

LARGE = 2**20  # bytes, which do not fit into what a socket holds for a viewer


@pytest.fixture
def page():
    with LivePage("<clip> & more.mp4") as page:
        yield page


def picture(number):
    return number.to_bytes(4, "big") * (LARGE // 4)


def test_a_viewer_sees_the_newest_picture_and_those_that_come(page):
    page.show(b"missed")
    page.show(b"first", "frame 1")
    stream = jpegs(f"{page.address}stream")
    assert next(stream) == b"first"
    page.show(b"second")
    assert next(stream) == b"second"
    page.end()
    assert list(stream) == []
    # who comes late sees how it ended
    assert list(jpegs(f"{page.address}stream")) == [b"second"]


def test_a_viewer_that_is_too_slow_holds_up_nobody_and_misses_pictures(page):
    page.show(picture(0))
    stream = jpegs(f"{page.address}stream")
    seen = [next(stream)]
    for number in range(1, 200):
        page.show(picture(number))  # would wait here for ever
    page.end()
    seen += stream
    assert seen[-1] == picture(199)
    assert len(seen) < 100
    assert seen == sorted(seen)


def test_pictures_are_wanted_while_somebody_looks(page):
    assert page.wants_picture  # as there is none
    page.show(b"first")
    assert not page.wants_picture
    stream = jpegs(f"{page.address}stream")
    assert next(stream) == b"first"
    assert page.wants_picture


def test_the_page_and_what_is_said(page):
    with urlopen(page.address) as answer:
        text = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
    assert "<title>&lt;clip&gt; &amp; more.mp4</title>" in text
    assert "$" not in text
    nonce = text.partition('<script nonce="')[2].partition('"')[0]
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'nonce-{nonce}'" in policy
    page.show(b"first", "frame 0")
    with urlopen(f"{page.address}state") as answer:
        assert json.loads(answer.read()) == {"note": "frame 0", "ended": False}


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/", None, 403),
        ("/stream", None, 403),
        ("/wrong-token/stream", None, 403),
        ("/wrong-töken/", None, 403),
        ("TOKEN/nothing", None, 404),
        ("TOKEN/stream/more", None, 404),
        ("TOKEN/", "rebound.example", 421),
        ("TOKEN/stream", "rebound.example:80", 421),
    ],
)
def test_nobody_else_gets_in(page, path, host, status):
    parts = urlsplit(page.address)
    path = path.replace("TOKEN", parts.path.rstrip("/")).replace("ö", "%F6")
    request = Request(f"http://{parts.netloc}{path}", headers={"Host": host} if host else {})
    page.show(b"secret")
    with pytest.raises(HTTPError) as refused, urlopen(request):
        pass
    assert refused.value.code == status
    assert b"secret" not in refused.value.read()
    refused.value.close()


def test_what_is_no_request_is_no_news(page, capfd):
    place = urlsplit(page.address)
    for sent in (
        b"GET nothing HTTP/1.0\r\n\r\n",
        b"\xff\0\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: [\r\n\r\n",
    ):
        with socket.create_connection((place.hostname, place.port)) as viewer:
            viewer.sendall(sent)
            viewer.shutdown(socket.SHUT_WR)
            assert not viewer.recv(100).startswith(b"HTTP/1.0 200")
    with socket.create_connection((place.hostname, place.port)) as viewer:
        viewer.sendall(f"GET {place.path}stream HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert viewer.recv(12) == b"HTTP/1.0 200"
    for number in range(8):  # to somebody who has gone
        page.show(picture(number))
    page.close()
    assert capfd.readouterr() == ("", "")


def test_streams_end_with_the_server():
    with LivePage("clip") as page:
        page.show(b"first")
        stream = jpegs(f"{page.address}stream")
        assert next(stream) == b"first"
        page.close()
    assert list(stream) == []
    with pytest.raises(OSError, match="refused"):
        urlopen(page.address)
