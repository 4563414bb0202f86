"""Tell what a frame costs, stage by stage, and what limits it: products at the machine's rate.

    python -m eval.cost

Tracks balls on frames of 854x480 with the embedded model, frame by frame. The operations
of the matrix products and convolutions are counted as they are carried out, a multiplication and an
addition as two, and the rate is that of a product of two large matrices. Times are the processor's,
which other programs touch less than those on the clock: medians of five clips. Writes
``eval/results/cost.md``.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from eval import common
from eval.speed.rates import matrix_rate
from eval.speed.scenes import Scene, balls
from persam_video.config import Settings, load_settings
from persam_video.errors import ModelError
from persam_video.run.tracker_factory import make_tracker
from persam_video.sam.build import load_sam
from persam_video.sam.model import SamModel
from persam_video.util.atomic import write_bytes
from persam_video.util.machine import settle_memory
from persam_video.util.timing import StageClock

HEADER = ("stage", "GFLOP", "ms", "GFLOP/s", "of the rate", "ms at the rate")
OBJECTS = (1, 8)
REPEATS = 5
MEASURED = 4
"""Frames of each clip that are measured."""

LEARNED = 5
"""Frames before those that are measured: the annotated one, and those that fill the memory, choose
the view and take kernels to be compiled."""

PARTS = {
    "context": "encode: scene context",
    "neck": "encode: neck",
    "skip_eighth": "encode: skips",
    "skip_quarter": "encode: skips",
}
"""Names of the encoder's modules, and of the stages that they are counted as."""

ORDER = (
    "encode",
    *dict.fromkeys(PARTS.values()),
    "prompt",
    "prompt: embed readings",
    "predict",
    "predict: embed matching maps",
    "predict: transformer",
    "merge",
    "remember",
)

Cost = dict[str, float]
"""Seconds, or operations, by stage."""


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--out", type=Path, default=common.RESULTS / "cost.md")
    options = parser.parse_args()
    settle_memory()  # as `track` does
    torch.set_num_threads(1)  # as encoders run side by side

    model = load_sam("lite", device="cpu", precision=options.precision)
    rate = matrix_rate(model.dtype)
    command = "python -m eval.cost"
    if options.precision != parser.get_default("precision"):
        command += f" --precision {options.precision}"
    parts = [
        f"# What a frame costs\n\n`{command}`: medians of {REPEATS} clips of 854x480, "
        f"processor's time per frame, in {model.info.precision}. {common.machine()}; a product of "
        "two large matrices runs at "
        f"{rate / 1e9:.0f} GFLOP/s of each core. Each line is without those below it that begin "
        "with its name."
    ]
    for count in OBJECTS:
        scene = balls(count, LEARNED + MEASURED)
        times = [track(model, scene, StageClock(process_time)) for _ in range(REPEATS)]
        seconds = {name: median(one.get(name, 0.0) for one in times) for name in times[0]}
        found = page(seconds, operations(model, scene), rate)
        parts.append(f"## {count} object{'s' * (count > 1)}\n\n{found}")
        print(parts[-1], flush=True)
    write_bytes(options.out, ("\n\n".join(parts) + "\n").encode())


def track(
    model: SamModel, scene: Scene, clock: StageClock, settings: Settings | None = None
) -> Cost:
    """Track a clip, with the preset persam by default; return the cost of a frame, by stage."""
    tracker = make_tracker(model, settings or load_settings("persam"), clock)
    with parts_of(model, clock):
        for number, frame in enumerate(scene.frames):
            if number == LEARNED:
                clock.seconds.clear()
            tracker.step(frame, scene.labels if number == 0 else None)
    frames = len(scene.frames) - LEARNED
    return {name: spent / frames for name, spent in clock.seconds.items()}


def operations(model: SamModel, scene: Scene, settings: Settings | None = None) -> Cost:
    """Count the operations of a frame, by stage; see ``track``."""
    with FlopCounterMode(display=False, custom_mapping=_fused()) as counter:
        return track(model, scene, StageClock(counter.get_total_flops), settings)


def _fused() -> dict[Any, Callable[..., int]]:
    """Return how to count the operations of convolutions with an activation."""

    def count(x: Any, w: Any, *_: Any, out_shape: Any, **__: Any) -> int:
        return conv_flop_count(x, w, out_shape)

    return {torch.ops.mkldnn._convolution_pointwise: count}


@contextmanager
def parts_of(model: SamModel, clock: StageClock) -> Iterator[None]:
    """Count parts of the network as stages of their own."""
    network = model.network
    if model.readout is None:
        raise ModelError("these weights have no memory readout, which is a part of the cost")
    parts: list[tuple[nn.Module, str]] = [
        (network.mask_decoder.transformer, "predict: transformer"),
        (network.prompt_encoder.matching, "predict: embed matching maps"),
        (model.readout.fuse, "prompt: embed readings"),
        *((getattr(model.encode_images, name), stage) for name, stage in PARTS.items()),
    ]
    with ExitStack() as hooks:
        for module, stage in parts:
            running = ExitStack()
            begin = module.register_forward_pre_hook(
                lambda *_, stack=running, name=stage: (
                    stack.enter_context(clock.stage(name)) and None
                )
            )
            end = module.register_forward_hook(lambda *_, stack=running: stack.close())
            hooks.callback(begin.remove)
            hooks.callback(end.remove)
        yield


def page(seconds: Cost, flops: Cost, rate: float) -> str:
    """Return the table of a clip, and what the limit is."""
    rows = []
    for name in ORDER:
        rows.append(_row(name, seconds.get(name, 0.0), flops.get(name, 0.0), rate))
    spent, done = sum(seconds.values()), sum(flops.values())
    rows.append(_row("frame", spent, done, rate))
    limit = done / rate
    return (
        f"{common.table(HEADER, rows)}\n\nThe limit is {1 / limit:.1f} frames per second of each "
        f"core, of which {100 * limit / spent:.0f} % are reached: the rest goes into products too "
        "small for the rate, and into what is not a product."
    )


def _row(name: str, seconds: float, flops: float, rate: float) -> tuple[str, ...]:
    speed = flops / seconds if seconds else 0.0
    return (
        name,
        f"{flops / 1e9:.2f}",
        f"{1000 * seconds:.1f}",
        f"{speed / 1e9:.0f}",
        f"{100 * speed / rate:.0f} %",
        f"{1000 * flops / rate:.1f}",
    )


if __name__ == "__main__":
    common.run(main)
