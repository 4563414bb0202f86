"""Export of the embedded model as ONNX files, for tracking with other runtimes.

``encoder.onnx`` encodes a frame; ``track.onnx`` and ``find.onnx`` do the work of ``Segmenter`` for
a tracked and for a lost object; ``learn.onnx`` and ``memory.onnx`` compute memories of an annotated
and of a tracked frame. The rest is up to the caller: ``model.json`` has the numbers, and
``docs/track_with_onnx.py`` is a tracker.
"""

import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import torch

from persam_video.config import Settings
from persam_video.errors import ModelError
from persam_video.sam.inference import inference
from persam_video.sam.lite import LiteSam
from persam_video.sam.model import SamModel
from persam_video.sam.network import CELL
from persam_video.sam.registry import model_spec
from persam_video.tracking.onnx_graphs import (
    EncoderGraph,
    MemoryGraph,
    ObjectGraph,
    example_inputs,
)
from persam_video.util.atomic import staged
from persam_video.util.garbage import uncollected

OPSET = 18
_PACKAGES = ("onnx", "onnxscript")

_Graph: TypeAlias = EncoderGraph | MemoryGraph | ObjectGraph


def export_onnx(
    model: SamModel,
    out: str | Path,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Path, ...]:
    """Write the embedded model as ONNX files, for frames of any size.

    Args:
        model: the embedded model, on the CPU in fp32.
        out: folder for ``encoder.onnx``, ``learn.onnx``, ``memory.onnx``, ``track.onnx``,
            ``find.onnx`` and ``model.json``. All of them are written, or none is.
        on_progress: called with the number of files written and the total.

    Returns:
        The files.

    Raises:
        ModelError: it is another model, or a package is missing, or torch is too old.
        OutputError: the folder cannot be written.
    """
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise ModelError(
            f"ONNX files need {' and '.join(missing)}: pip install 'persam-video[onnx]'"
        )
    if not hasattr(torch.export.Dim, "AUTO"):
        raise ModelError(f"ONNX files need torch 2.6 or newer, and this is {torch.__version__}")
    graphs = _graphs(model)
    cells = model.info.image_size // CELL
    grid = (cells // 4 * 2, cells - 2)  # even, in the model's grid; other sizes work as well
    out = Path(out)
    with staged(out) as folder:
        folder.mkdir()
        for done, (name, graph) in enumerate(graphs.items()):
            on_progress(done, len(graphs) + 1)
            _write(graph, folder / f"{name}.onnx", grid)
        (folder / "model.json").write_text(
            json.dumps(_numbers(model), indent=1) + "\n", encoding="utf-8"
        )
        on_progress(len(graphs) + 1, len(graphs) + 1)
        files = sorted(path.name for path in folder.iterdir())
    return tuple(out / name for name in files)


def _graphs(model: SamModel) -> dict[str, _Graph]:
    network, readout = model.network, model.readout
    if not isinstance(network, LiteSam) or readout is None:
        raise ModelError(f"{model.info.name} cannot be exported to ONNX yet: export lite")
    if model.dtype is not torch.float32 or model.device.type != "cpu":
        raise ModelError("ONNX files are written from a model in fp32 on the CPU")
    settings = Settings()
    return {
        "encoder": EncoderGraph(network.image_encoder),
        "learn": MemoryGraph(readout, settings, annotated=True),
        "memory": MemoryGraph(readout, settings, annotated=False),
        "track": ObjectGraph(network, readout, settings, tracked=True),
        "find": ObjectGraph(network, readout, settings, tracked=False),
    }


@inference()
def _write(graph: _Graph, path: Path, grid: tuple[int, int]) -> None:
    examples = example_inputs(graph.inputs, grid)
    sizes = {
        name: dict.fromkeys(_variable(name, value.dim()), torch.export.Dim.AUTO)
        for name, value in zip(graph.inputs, examples, strict=True)
    }
    with _silent(), uncollected():  # a fifth of the time went into looking through live objects
        torch.onnx.export(
            graph.eval(),
            examples,
            str(path),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=tuple(sizes.values()),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            verbose=False,
        )


def _variable(name: str, dimensions: int) -> tuple[int, ...]:
    """Return the dynamic axes of an input: those of the grid, the frame or the memories."""
    if name in ("frame_size", "input_size", "target", "recent_box"):
        return ()
    if name in ("image", "mask"):
        return (0, 1)
    grid = (dimensions - 2, dimensions - 1)
    return (0, *grid) if name in ("memory_keys", "memory_values") else grid


@contextmanager
def _silent() -> Iterator[None]:
    """Silence the exporter's advice to developers."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _numbers(model: SamModel) -> dict[str, object]:
    """Return the numbers that a caller needs besides the graphs."""
    settings = Settings()
    return {
        "model": model.info.name,
        "sha256": model.info.sha256,
        "licence": model_spec(model.info.name).licence,
        "image_size": model.info.image_size,
        "lost": settings.lost.model_dump(),
        "memory": settings.memory.model_dump(),
    }
