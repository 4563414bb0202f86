"""The original implementations to compare with, a small SAM, and a server of weights."""

import importlib
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from persam_video.sam.build import Sam, build_network
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.sam.registry import ModelSpec, VitDimensions


@pytest.fixture(scope="session")
def import_bare() -> Callable[[str], ModuleType]:
    """Import a module without running the ``__init__`` of its package, which wants torchvision.

    What the module itself takes from torchvision and timm is stood in for: resizing a PIL image is
    all that torchvision does there, and the timm parts matter in training only.
    """

    def load(name: str) -> ModuleType:
        package = name.partition(".")[0]
        spec = find_spec(package)
        if spec is None:
            pytest.skip(f"{package} is not installed")
        with pytest.MonkeyPatch.context() as patch:
            for module in (bare(package, spec.submodule_search_locations), *stand_ins()):
                patch.setitem(sys.modules, module.__name__, module)
            return importlib.import_module(name)

    return load


def bare(name: str, path: Iterable[str]) -> ModuleType:
    package = ModuleType(name)
    package.__path__ = list(path)
    return package


def stand_ins() -> Iterator[ModuleType]:
    members = {
        "torchvision": {},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {
            "to_pil_image": Image.fromarray,
            "resize": lambda image, size: image.resize(size[::-1], Image.Resampling.BILINEAR),
        },
        "timm": {},
        "timm.models": {},
        "timm.models.layers": {
            "DropPath": nn.Identity,
            "to_2tuple": lambda value: (value, value),
            "trunc_normal_": nn.init.trunc_normal_,
        },
        "timm.models.registry": {"register_model": lambda function: function},
    }
    for name, values in members.items():
        module = ModuleType(name)
        vars(module).update(values)
        yield module


@pytest.fixture(scope="session")
def nano() -> ModelSpec:
    """SAM with a very small image encoder."""
    return ModelSpec("nano", "", 1024, VitDimensions(64, 2, 2, (1,)), None, "")


@pytest.fixture(scope="session")
def nano_network(nano: ModelSpec, randomise: Callable[[nn.Module], nn.Module]) -> Sam:
    return randomise(build_network(nano, nano.image_size))


@pytest.fixture(scope="session")
def frame() -> np.ndarray:
    """Give a frame that SAM has to resize and to pad."""
    return np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module], nn.Module]:
    """Fill the weights that a new network has at zero or one, so that they count."""

    def fill(network: nn.Module) -> nn.Module:
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


@pytest.fixture(scope="session")
def as_model() -> Callable[[Sam], SamModel]:
    """Wrap a network as ``load_sam`` does, in fp32 on the CPU."""
    return lambda network: SamModel(
        network.image_encoder,
        network.prompt_encoder,
        network.mask_decoder,
        ModelInfo("nano", "", "", 1024, "cpu", "fp32"),
        torch.device("cpu"),
        torch.float32,
    )


@dataclass(frozen=True)
class Behaviour:
    """What a server does with one request.

    Attributes:
        status: answer this instead of the file.
        location: send the client there.
        ranges: honour the request for a part.
        shift: bytes by which a part begins too late.
        length: tell how much will come.
        cut: close the connection after so many bytes.
        reset: and do so without a proper end.
        hang_at: fall silent after so many bytes.
    """

    status: int | None = None
    location: str | None = None
    ranges: bool = True
    shift: int = 0
    length: bool = True
    cut: int | None = None
    reset: bool = False
    hang_at: int | None = None


class WeightServer:
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
        self.url = f"http://127.0.0.1:{self._http.server_port}/weights.pth"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        behaviour = self._behaviours[min(len(self.ranges), len(self._behaviours) - 1)]
        wanted = request.headers["Range"]
        self.ranges.append(wanted)
        if behaviour.status is not None:
            request.send_error(behaviour.status)
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
def weight_server() -> Iterator[Callable[..., WeightServer]]:
    """Start servers: ``weight_server(content, {"cut": 100}, {})``, one behaviour a request."""
    servers: list[WeightServer] = []

    def start(content: bytes, *behaviours: dict[str, object]) -> WeightServer:
        server = WeightServer(content, [Behaviour(**each) for each in behaviours or ({},)])
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()
