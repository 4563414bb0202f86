"""The development data, written DAVIS sets, and a server of files on the loopback interface."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # set before torch is imported: the threads of several processes would fight over the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

# how long an example takes, or its making, says more about the machine than about the code; a
# folder that examples share is no fault where each writes its files anew
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of development data, which the repository does not hold."""
    named = os.environ.get("PERSAM_VIDEO_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder} (set PERSAM_VIDEO_DATA)")
    return folder


@pytest.fixture(scope="session")
def randomise() -> Callable:
    """Fill the weights that a new network has at zero or one, so that they count."""

    import torch
    from torch import nn

    def fill(network):
        torch.manual_seed(0)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 2)
        for weight in network.parameters():
            if weight.numel() > 1 and weight.std() == 0:
                nn.init.normal_(weight, mean=float(weight.detach().mean()), std=0.1)
        return network.eval()

    return fill


@dataclass(frozen=True)
class Ran:
    """What a run of the program gave."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the program in this process and give its exit status and what it printed."""

    from persam_video.cli import main as program

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["persam-video", *map(str, arguments)])
        try:
            program.run()
            status = 0
        except SystemExit as error:
            status = error.code or 0
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return call


@pytest.fixture
def nano_sam(shared_data: Path):
    """Give the nano SAM of the parity data; its ``calls`` are (embedding, prompts, answer)."""
    from eval.nano_sam import load_nano_sam
    from persam_video.sam.model import SamModel

    class RecordingSam(SamModel):
        def decode(self, embedding, prompts):
            answer = super().decode(embedding, prompts)
            self.calls.append((embedding, prompts, answer))
            return answer

    model = load_nano_sam(shared_data / "parity", RecordingSam)
    model.calls = []
    return model


def save_labels(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([value for index in range(256) for value in (index, 255 - index, index)])
    image.save(path)


@dataclass
class WrittenSet:
    """A dataset and results on disk, written sequence by sequence."""

    root: Path
    results: Path

    def list_sequences(self, text: str, name: str = "2017/val.txt") -> Path:
        path = self.root / "ImageSets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def add(
        self,
        sequence: str,
        truth: Iterable[np.ndarray],
        predicted: Iterable[np.ndarray] = (),
        folder: str = "Annotations/480p",
    ) -> None:
        for position, labels in enumerate(truth):
            save_labels(self.annotation(sequence, position, folder), labels)
        for position, labels in enumerate(predicted):
            save_labels(self.result(sequence, position), labels)

    def annotation(self, sequence: str, frame: int, folder: str = "Annotations/480p") -> Path:
        return self.root / folder / sequence / f"{frame:05d}.png"

    def result(self, sequence: str, frame: int) -> Path:
        return self.results / sequence / f"{frame:05d}.png"


@pytest.fixture
def written_set(tmp_path: Path) -> WrittenSet:
    results = tmp_path / "results"
    results.mkdir()
    return WrittenSet(tmp_path / "DAVIS", results)


@pytest.fixture
def boxes():
    """Give a maker of label maps: a background with a filled box for each label."""

    def make(*labelled: tuple[int, int, int, int, int], shape=(24, 32)) -> np.ndarray:
        labels = np.zeros(shape, np.uint8)
        for label, x0, y0, x1, y1 in labelled:
            labels[y0:y1, x0:x1] = label
        return labels

    return make


@dataclass(frozen=True)
class Behaviour:
    """What a server does with one request.

    Attributes:
        status: answer this instead of the file.
        total: and tell that the file has so many bytes.
        location: send the client there.
        ranges: honour the request for a part.
        shift: bytes by which a part begins too late.
        length: tell how much will come.
        cut: close the connection after so many bytes.
        reset: and do so without a proper end.
        hang_at: fall silent after so many bytes.
    """

    status: int | None = None
    total: int | str | None = None
    location: str | None = None
    ranges: bool = True
    shift: int = 0
    length: bool = True
    cut: int | None = None
    reset: bool = False
    hang_at: int | None = None


class FileServer:
    """Serves one file on the loopback interface; the last behaviour holds for all later requests.

    Attributes:
        url: of the file.
        ranges: the Range header of each request, in order.
    """

    def __init__(self, content: bytes, behaviours: list[Behaviour]) -> None:
        self.content = content
        self.ranges: list[str | None] = []
        self.closing = threading.Event()
        self._behaviours = behaviours
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with suppress(ConnectionError):
                    server.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/file"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        behaviour = self._behaviours[min(len(self.ranges), len(self._behaviours) - 1)]
        wanted = request.headers["Range"]
        self.ranges.append(wanted)
        if behaviour.status is not None:
            request.send_response(behaviour.status)
            if behaviour.total is not None:
                request.send_header("Content-Range", f"bytes */{behaviour.total}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if behaviour.location is not None:
            request.send_response(302)
            request.send_header("Location", behaviour.location)
            request.end_headers()
            return
        body, total = self.content, len(self.content)
        if wanted is not None and behaviour.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) + behaviour.shift
            body = body[start:]
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            request.send_response(200)
        if behaviour.length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if behaviour.hang_at is not None:
            request.wfile.write(body[: behaviour.hang_at])
            request.wfile.flush()
            self.closing.wait(10)
            return
        request.wfile.write(body[: behaviour.cut])
        if behaviour.reset:
            # closing with nothing to linger for sends RST instead of FIN
            linger = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            request.connection.close()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def file_server() -> Iterator[Callable[..., FileServer]]:
    """Start servers: ``file_server(content, {"cut": 100}, {})``, one behaviour a request."""
    servers: list[FileServer] = []

    def start(content: bytes, *behaviours: dict[str, object]) -> FileServer:
        server = FileServer(content, [Behaviour(**behaviour) for behaviour in behaviours or ({},)])
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()
