"""A studio that runs as its own process, its sessions, and a browser that looks at them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SMALL = ("--set", "model.image_size=256")  # a tenth of the time for each frame
TOKEN = "a-token-that-is-known-to-the-test-alone"
PATIENCE = 240_000  # ms; with ten processes for each core, a studio takes a minute to start


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RunningStudio:
    """``persam-video studio`` in a process of its own, on a port that stays the same."""

    arguments: list[str]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None
    printed: Any = None  # file for what the process prints

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"

    def start(self) -> None:
        # not a pipe, which would fill as nobody reads it
        self.printed = tempfile.NamedTemporaryFile("w")  # noqa: SIM115
        command = [sys.executable, "-m", "persam_video", "studio", *self.arguments]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--no-browser"],
            env={**os.environ, "PERSAM_STUDIO_TOKEN": TOKEN},
            stdout=self.printed,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            try:
                self.get("/api/studio")
            except OSError:
                if self.process is None or self.process.poll() is not None:
                    break
                time.sleep(0.1)
            else:
                return
        pytest.fail(f"the studio does not answer: {self.said()}")

    def said(self) -> str:
        """Return what the process has printed."""
        return "" if self.printed is None else Path(self.printed.name).read_text("utf-8")

    def get(self, path: str, body: dict | None = None) -> bytes:
        """Return the answer to a request of a script, a POST where it has a body."""
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Persam": "1"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urlopen(request) as answer:
            return answer.read()

    def kill(self) -> None:
        """End the process as a power cut does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None


@contextmanager
def running_studio(*arguments: object) -> Iterator[RunningStudio]:
    """Run a studio as long as the block lasts."""
    studio = RunningStudio([str(argument) for argument in arguments])
    studio.start()
    try:
        yield studio
    finally:
        if studio.process is not None:
            studio.kill()
        assert "Traceback" not in studio.said()


@dataclass(frozen=True)
class StudioSession:
    """A session that a running studio has open.

    Attributes:
        studio: the server.
        id: of the session, in addresses.
        folder: where it is kept.
        source: the video, or the folder of images.
    """

    studio: RunningStudio
    id: str
    folder: Path
    source: Path

    @classmethod
    def only(cls, studio: RunningStudio) -> "StudioSession":
        """Return the session that a studio was started with."""
        (found,) = json.loads(studio.get("/api/studio"))["sessions"]
        return cls(studio, found["id"], Path(found["folder"]), Path(studio.arguments[0]))

    @property
    def address(self) -> str:
        return f"{self.studio.address}#session={self.id}"

    def get(self, path: str = "", body: dict | None = None) -> dict[str, Any]:
        """Return the answer to a request about the session; without a path, its state."""
        return json.loads(self.studio.get(f"/api/sessions/{self.id}{path}", body))

    def masks(self, frame: int) -> dict[int, np.ndarray]:
        """Return the masks of a frame as the server tells them, bool (H, W), by object."""
        decoded = {}
        for mask in self.get(f"/frames/{frame}/masks")["objects"]:
            height, width = mask["rle"]["size"]
            counts = mask["rle"]["counts"]
            flat = np.repeat(np.arange(len(counts)) % 2, counts).astype(bool)
            decoded[mask["id"]] = flat.reshape(width, height).T
        return decoded


def chromium() -> str:
    """Return the path of the system's Chromium, or skip."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium (apt-get install chromium)")
    return found


class Page:
    """The studio's page, in the words of its user."""

    def __init__(self, page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._console)
        page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))

    def _console(self, message) -> None:
        # a server that is gone makes the browser itself complain; that is asked for
        if message.type == "error" and "net::ERR" not in message.text:
            self.problems.append(message.text)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.wait_for_frame()

    def wait_for_frame(self, frame: int | None = None) -> None:
        """Wait until a frame's picture is on the canvas."""
        place = "" if frame is None else f"='{frame}'"
        self.page.wait_for_selector(f"#stage[data-frame{place}]")

    def wait_for_masks(self, *ids: int) -> None:
        """Wait until the masks of exactly these objects are drawn, and nothing is under way."""
        shown = " ".join(map(str, ids))
        self.page.wait_for_function(
            "ids => document.getElementById('stage').dataset.masks === ids"
            " && !document.querySelector('.latency').textContent.startsWith('Computing')",
            arg=shown,
        )

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the frame is in the window."""
        box = self.page.locator("#stage").bounding_box()
        scale = float(self.page.locator("#stage").get_attribute("data-scale"))
        size = self.page.evaluate(
            "() => document.getElementById('stage').dataset.size.split(' ').slice(1).map(Number)"
        )
        return (
            box["x"] + (box["width"] - size[0] * scale) / 2 + x * scale,
            box["y"] + (box["height"] - size[1] * scale) / 2 + y * scale,
        )

    def click(self, x: float, y: float, *, button: str = "left") -> None:
        """Click a point of the frame, which must be shown whole."""
        self.page.mouse.click(*self.place(x, y), button=button)

    def wait_for_mark(self) -> None:
        """Wait until the shown frame is an annotation."""
        self.page.wait_for_function(
            "() => document.querySelector('.lane-track').getAttribute('aria-valuetext')"
            ".includes('annotated')"
        )

    def wait_for_toast(self, text: str) -> None:
        self.page.locator(".toast", has_text=text).first.wait_for()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def go_to(self, frame: int) -> None:
        number = self.page.get_by_label("Frame number")
        number.fill(str(frame))
        number.press("Enter")
        number.blur()
        self.wait_for_frame(frame)

    def wait_for_job(self) -> None:
        """Wait until a job that was just begun is done."""
        self.page.wait_for_selector("#job:not([hidden])")
        self.page.wait_for_selector("#job[hidden]", state="attached", timeout=2 * PATIENCE)
        assert self.page.locator(".toast.error").all_inner_texts() == []

    def gestures(self) -> list[dict]:
        """Return a list that fills with the gestures that the page sends from now on."""
        sent: list[dict] = []
        self.page.on(
            "request",
            lambda request: (
                sent.append(request.post_data_json) if request.url.endswith("/gestures") else None
            ),
        )
        return sent

    def wait_until_answered(self) -> None:
        """Wait until the server has answered every gesture."""
        self.page.wait_for_function(
            "() => /^Mask in/.test(document.querySelector('.latency').textContent)"
        )

    def screenshot(self, name: str) -> None:
        """Keep a picture where ``PERSAM_VIDEO_SCREENSHOTS`` says, to be looked at."""
        folder = os.environ.get("PERSAM_VIDEO_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")
