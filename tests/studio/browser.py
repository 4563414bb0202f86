"""A studio that runs as its own process, and a browser that looks at it."""

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
TOKEN = "a-token-that-is-known-to-the-test-alone"
PATIENCE = 60_000  # ms; a machine with one busy core is slow


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
        for _ in range(600):
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
        self.page.wait_for_selector("#job[hidden]", state="attached", timeout=4 * PATIENCE)
        assert self.page.locator(".toast.error").all_inner_texts() == []

    def annotated(self) -> bool:
        """Whether the shown frame is an annotation."""
        text = self.page.get_by_role("slider", name="Frame", exact=True).get_attribute(
            "aria-valuetext"
        )
        return "annotated" in text

    def screenshot(self, name: str) -> None:
        """Keep a picture where ``PERSAM_VIDEO_SCREENSHOTS`` says, to be looked at."""
        folder = os.environ.get("PERSAM_VIDEO_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")
