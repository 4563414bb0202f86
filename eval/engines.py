"""Time the image encoder of the embedded model in PyTorch, as it is run, and in other engines.

    pip install openvino nncf
    python -m eval.engines
    python -m eval.engines --precision bf16

Frames of 854x480, all engines in turns. ``int8`` is OpenVINO after NNCF has quantised what it can,
on noise: good for its speed, not for its masks. Prints medians, their ratios to the first engine,
the mean difference of the embedding from fp32 (its deviation is about 1), and the seconds before
the first frame is ready. ``compile`` needs a C++ compiler.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from eval import common
from persam_video.sam.build import load_sam
from persam_video.sam.lite import LiteImageEncoder
from persam_video.sam.model import SamModel

HEADER = ("engine", "ms per frame", "speed-up", "difference", "seconds to the first frame")
SHAPE = (1, 3, 448, 768)  # a frame of 854x480 as the encoder receives it

Engine = Callable[[Tensor], Tensor]
"""Maps an image in fp32 to its embedding."""


@dataclass(frozen=True)
class Task:
    """What an engine is made for.

    Attributes:
        precision: fp32 or bf16.
        image: an image of the shape to come.
    """

    precision: str
    image: Tensor

    def model(self, precision: str | None = None) -> SamModel:
        """Return the embedded model."""
        return load_sam("lite", device="cpu", precision=precision or self.precision)


class _Outputs(nn.Module):
    """An encoder whose outputs are a tuple, as exporters want them."""

    def __init__(self, encoder: LiteImageEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder(image)
        return (features.embedding, features.keys, *features.skips)


def ours(task: Task) -> Engine:
    """Return the encoder as ``track`` runs it."""
    model = task.model()
    return lambda image: model.encode_images(image.to(model.dtype)).embedding


def compiled(task: Task) -> Engine:
    import torch._inductor.config as inductor  # noqa: PLC0415

    inductor.freezing = True  # weights as constants, laid out beforehand
    model = task.model()
    encoder = cast(LiteImageEncoder, model.network.image_encoder)
    run = torch.compile(_Outputs(encoder.to(memory_format=torch.channels_last)))  # type: ignore[call-overload]
    return lambda image: cast(Tensor, run(image.to(model.dtype))[0])


def openvino(task: Task) -> Engine:
    return _openvino(task, quantised=False)


def int8(task: Task) -> Engine:
    return _openvino(task, quantised=True)


def _openvino(task: Task, *, quantised: bool) -> Engine:
    import openvino as ov  # noqa: PLC0415

    exact = _Outputs(cast(LiteImageEncoder, task.model("fp32").network.image_encoder))
    exported = ov.convert_model(exact, example_input=task.image, input=list(SHAPE))
    if quantised:
        import nncf  # noqa: PLC0415

        exported = nncf.quantize(exported, nncf.Dataset([_array(task.image)] * 3))
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if task.precision == "bf16" else "f32",
    }
    request = ov.Core().compile_model(exported, "CPU", options).create_infer_request()

    def run(image: Tensor) -> Tensor:
        request.infer([_array(image)])
        return torch.from_numpy(request.get_output_tensor(0).data)

    return run


def _array(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(image.numpy())


ENGINES: Mapping[str, Callable[[Task], Engine]] = {
    "ours": ours,
    "compile": compiled,
    "openvino": openvino,
    "int8": int8,
}


@torch.no_grad()
def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--repeats", type=common.count, default=15)
    options = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    image = torch.randn(SHAPE, generator=generator).contiguous(memory_format=torch.channels_last)
    task = Task(options.precision, image)
    exact = task.model("fp32").network.encode(image).embedding
    engines: dict[str, Engine] = {}
    taken: dict[str, list[float]] = {}
    ready: dict[str, tuple[float, float]] = {}
    for name in options.engines:
        begun = time.perf_counter()
        engines[name] = ENGINES[name](task)
        difference = float((engines[name](image).float() - exact).abs().mean())
        ready[name] = (time.perf_counter() - begun, difference)
        taken[name] = []
    for _ in range(options.repeats):
        for name, engine in engines.items():
            begun = time.perf_counter()
            engine(image)
            taken[name].append(time.perf_counter() - begun)
    first = median(taken[options.engines[0]])
    print(f"{common.machine()}, {options.precision}")
    rows = []
    for name, seconds in taken.items():
        middle, (start, difference) = median(seconds), ready[name]
        figures = (f"{1000 * middle:.0f}", f"{first / middle:.2f}", f"{difference:.1g}")
        rows.append((name, *figures, f"{start:.1f}"))
    print(common.table(HEADER, rows))


if __name__ == "__main__":
    common.run(main)
