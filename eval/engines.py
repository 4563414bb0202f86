"""Time the image encoder of the embedded model in plain PyTorch and in other engines.

    pip install openvino nncf
    python -m eval.engines

Frames of 854x480, all engines in turns, in fp32 but for ``int8``, which OpenVINO runs after NNCF
has quantised it on noise: good for its speed, not for its masks. Prints medians, their ratios to
plain PyTorch, the largest difference of the embedding, and the seconds before the first frame is
ready. ``compile`` needs a C++ compiler.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from eval import common
from persam_video.sam.build import build_network
from persam_video.sam.checkpoints import load_weights, read_state_dict
from persam_video.sam.download import embedded_path
from persam_video.sam.lite import LiteImageEncoder
from persam_video.sam.registry import model_spec

HEADER = ("engine", "ms per frame", "speed-up", "difference", "seconds to the first frame")
SHAPE = (1, 3, 448, 768)  # a frame of 854x480 as the encoder receives it

Engine = Callable[[Tensor], Tensor]
_Model = Callable[[Tensor], tuple[Tensor, ...]]
"""Maps an image to the embedding and all other outputs."""


class _Outputs(nn.Module):
    """An encoder whose outputs are a tuple, as exporters want them."""

    def __init__(self, encoder: LiteImageEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder(image)
        return (features.embedding, features.keys, *features.skips)


def plain(model: _Model, image: Tensor) -> Engine:
    return lambda image: model(image)[0]


def compiled(model: nn.Module, image: Tensor) -> Engine:
    import torch._inductor.config as inductor  # noqa: PLC0415

    inductor.freezing = True  # weights as constants, laid out beforehand
    return plain(cast(_Model, torch.compile(model)), image)


def openvino(model: nn.Module, image: Tensor) -> Engine:
    return _openvino(model, image, quantised=False)


def int8(model: nn.Module, image: Tensor) -> Engine:
    return _openvino(model, image, quantised=True)


def _openvino(model: nn.Module, image: Tensor, *, quantised: bool) -> Engine:
    import openvino as ov  # noqa: PLC0415

    exported = ov.convert_model(model, example_input=image, input=list(SHAPE))
    if quantised:
        import nncf  # noqa: PLC0415

        exported = nncf.quantize(exported, nncf.Dataset([np.ascontiguousarray(image.numpy())] * 3))
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = ov.Core().compile_model(exported, "CPU", options).create_infer_request()

    def run(image: Tensor) -> Tensor:
        request.infer([np.ascontiguousarray(image.numpy())])
        return torch.from_numpy(request.get_output_tensor(0).data)

    return run


ENGINES: Mapping[str, Callable[[nn.Module, Tensor], Engine]] = {
    "eager": plain,
    "compile": compiled,
    "openvino": openvino,
    "int8": int8,
}


@torch.no_grad()
def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--repeats", type=common.count, default=15)
    options = parser.parse_args()

    spec = model_spec("lite")
    network = build_network(spec, spec.image_size)
    load_weights(network, read_state_dict(embedded_path()), spec.name, embedded_path())
    encoder = network.image_encoder.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model = _Outputs(encoder)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(SHAPE, generator=generator).contiguous(memory_format=torch.channels_last)

    exact = model(image)[0]
    engines: dict[str, Engine] = {}
    taken: dict[str, list[float]] = {}
    ready: dict[str, tuple[float, float]] = {}
    for name in options.engines:
        begun = time.perf_counter()
        engines[name] = ENGINES[name](model, image)
        difference = float((engines[name](image) - exact).abs().max())
        ready[name] = (time.perf_counter() - begun, difference)
        taken[name] = []
    for _ in range(options.repeats):
        for name, engine in engines.items():
            begun = time.perf_counter()
            engine(image)
            taken[name].append(time.perf_counter() - begun)
    first = median(taken[options.engines[0]])
    print(f"{torch.get_num_threads()} threads")
    rows = []
    for name, seconds in taken.items():
        middle, (start, difference) = median(seconds), ready[name]
        figures = (f"{1000 * middle:.0f}", f"{first / middle:.2f}", f"{difference:.1g}")
        rows.append((name, *figures, f"{start:.1f}"))
    print(common.table(HEADER, rows))


if __name__ == "__main__":
    common.run(main)
