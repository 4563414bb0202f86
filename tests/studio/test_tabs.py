"""Several pages at one server, by events or by asking, over a real connection."""

import json
import socket
from contextlib import contextmanager
from threading import Thread
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import uvicorn

from persam_video.studio.server import make_app
from persam_video.studio.studio import Studio

TOKEN = "abcdefghijklmnopqrstuvwxyz"
PATIENCE = 120  # seconds


class Tab:
    """A page that is told of events.

    Attributes:
        masks: frames whose masks it was told of.
    """

    def __init__(self, server, path):
        self._stream = server.request(f"{path}/events")
        self.masks = []

    def state(self, wanted):
        """Return the first state that is wanted."""
        while True:
            name = self._stream.readline().decode().removeprefix("event: ").strip()
            data = json.loads(self._stream.readline().removeprefix(b"data: "))
            assert self._stream.readline() == b"\n"
            assert name != "problem"
            if name == "masks":
                self.masks.append(data["frame"])
            if name == "state" and wanted(data):
                return data


class Server:
    """A studio that is served on a port."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"

    def request(self, path, data=None):
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Persam": "1", "Origin": self.base}
        body = None if data is None else json.dumps(data).encode()
        return urlopen(Request(f"{self.base}{path}", body, headers), timeout=PATIENCE)

    def ask(self, path, data=None):
        with self.request(path, data) as answer:
            return json.load(answer)


@contextmanager
def served(studio, port=0):
    config = uvicorn.Config(
        make_app(studio, TOKEN), log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()  # so that whoever asks at once waits
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Server(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def new_studio(squares, tmp_path, settings, shared):
    def make():
        return Studio(tmp_path / "out", settings, root=tmp_path, model=shared)

    return make


def done(state):
    return state["job"] is not None and state["job"]["state"] == "done"


def apart(state):
    """Return a state without the moment at which it was read."""
    return {key: value for key, value in state.items() if key != "moment"}


def test_tabs_are_told_the_same(new_studio, squares):
    studio = new_studio()
    with served(studio) as server:
        path = f"/api/sessions/{server.ask('/api/sessions', {'path': 'frames'})['id']}"
        tabs = [Tab(server, path), Tab(server, path)]
        server.ask(f"{path}/objects", {})
        box = {"frame": 0, "object": 1, "kind": "box", "box": squares.boxes[0][1]}
        marked = server.ask(f"{path}/gestures", box)["state"]
        for tab in tabs:
            assert apart(tab.state(lambda state: state["annotated"])) == apart(marked)
        server.ask(f"{path}/track", {"start": 0})
        ends = [tab.state(done) for tab in tabs]
        polled = server.ask(path)  # a page that polls sees no less
        assert apart(ends[0]) == apart(ends[1]) == apart(polled)
        assert ends[0]["tracked"] == [[0, 11]]
        assert all(tab.masks for tab in tabs)
        late = Tab(server, path)
        assert apart(late.state(lambda state: True)) == apart(ends[0])
    studio.close()


def test_pages_find_a_server_that_was_started_again(new_studio, squares):
    studio = new_studio()
    with served(studio) as server:
        path = f"/api/sessions/{server.ask('/api/sessions', {'path': 'frames'})['id']}"
        server.ask(f"{path}/objects", {})
        box = {"frame": 0, "object": 1, "kind": "box", "box": squares.boxes[0][1]}
        server.ask(f"{path}/gestures", box)
        tab = Tab(server, path)
        state = tab.state(lambda state: True)
        port = int(server.base.rpartition(":")[2])
    with pytest.raises(json.JSONDecodeError):  # the stream has ended
        tab.state(lambda state: False)
    with pytest.raises(URLError):
        server.ask(path)
    studio.close()
    again = new_studio()
    with served(again, port):
        assert server.ask("/api/sessions", {"path": "frames"})["id"] == state["id"]
        after = Tab(server, path).state(lambda state: True)
        assert after["revision"] >= state["revision"]  # else pages would take it for overtaken
        assert apart({**after, "revision": 0}) == apart({**state, "revision": 0})
    again.close()
