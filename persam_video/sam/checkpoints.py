"""Read weight files without running code from them."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from persam_video.errors import ModelError
from persam_video.sam.download import HUB_FILE
from persam_video.sam.layouts import State, to_sam_layout
from persam_video.sam.registry import MODELS, HieraDimensions, TinyVitDimensions, VitDimensions
from persam_video.util.urls import scheme_of, url_of

_WRAPPERS = ("model", "state_dict", "model_state")
_HIERA = "image_encoder.vision.backbone.blocks."


def weight_file(checkpoint: Path) -> Path:
    """Return the weight file of a checkpoint, which may be a folder that transformers saved.

    Raises:
        ModelError: it is a URL, or a folder that holds no weights in one file.
    """
    url = url_of(checkpoint)
    if scheme_of(url) and not checkpoint.exists():
        raise ModelError(
            f"{url} is a URL, and --checkpoint downloads nothing: download the file yourself and "
            "pass it, or get a model's published weights with persam-video models download"
        )
    if not checkpoint.is_dir():
        return checkpoint
    file = checkpoint / HUB_FILE
    if not file.is_file():
        raise ModelError(f"{checkpoint} holds no {HUB_FILE}: give a weight file or its folder")
    return file


def read_state_dict(file: Path) -> State:
    """Read a state dict from safetensors or from a ``.pth`` file, on the CPU.

    The weights may have the layout of segment-anything, MobileSAM, HQ-SAM or Hugging Face, and may
    be wrapped as ``{"model": ...}``, ``{"state_dict": ...}`` or ``{"model_state": ...}``, as
    training scripts save them.

    Args:
        file: read as safetensors if its suffix says so, else by ``torch.load``.

    Returns:
        Tensors by segment-anything's names.

    Raises:
        ModelError: the file is missing, damaged, or holds anything but weights.
    """
    if not file.is_file():
        raise ModelError(f"no checkpoint at {file}: give the path of a weight file")
    state = _read(file)
    if isinstance(state, dict):
        state = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ModelError(f"{file} is not a state dict: give a file of SAM weights")
    try:
        return to_sam_layout(state)
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{file} lacks some of its weights: download it again") from error


def _read(file: Path) -> Any:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        with warnings.catch_warnings():
            # warnings about formats that are refused below anyway
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{file} is not a plain weight file, and code in a file is never run: "
            "give a state dict (.pth, .pt) or a safetensors file"
        ) from error
    # on damaged bytes the readers raise all kinds of errors
    except Exception as error:
        raise ModelError(
            f"{file} is not a complete weight file (damaged or truncated?): download it again"
        ) from error


def load_weights(module: nn.Module, state: State, name: str, file: Path) -> None:
    """Load a state dict into a model, strictly.

    The tensors become the model's own without a copy, in fp32, so the model may have been built
    on the meta device.

    Args:
        module: the model.
        state: its weights.
        name: name of its architecture, for error messages.
        file: the weight file, for error messages.

    Raises:
        ModelError: the weights belong to another model.
    """
    expected = module.state_dict()
    missing = expected.keys() - state.keys()
    misfits = [k for k in expected.keys() & state.keys() if expected[k].shape != state[k].shape]
    extra = state.keys() - expected.keys()
    if not (missing or misfits or extra):
        module.load_state_dict({k: v.float() for k, v in state.items()}, assign=True)
        return
    other = recognise(state)
    if other is not None and other != name:
        raise ModelError(f"{file} holds {other}, not {name}: pass --model {other}")
    raise ModelError(
        f"{file} does not fit {name}: {len(missing)} weights missing, {len(misfits)} of another "
        f"shape, {len(extra)} unknown; give a checkpoint of {name}"
    )


def recognise(state: State) -> str | None:
    """Return the name of the model that a state dict belongs to, or ``None``."""
    if "image_encoder.backbone.stem.weight" in state:
        return "lite"
    tokens = state.get("image_encoder.pos_embed")
    stem = state.get("image_encoder.patch_embed.seq.2.weight")
    patches = state.get("image_encoder.vision.backbone.patch_embed.projection.weight")
    blocks = sum(name.startswith(_HIERA) and name.endswith(".attn.qkv.bias") for name in state)
    for spec in MODELS.values():
        match spec.encoder:
            case VitDimensions(width=width) if tokens is not None and tokens.shape[-1] == width:
                return spec.name
            case TinyVitDimensions(widths=widths) if stem is not None and len(stem) == widths[0]:
                return spec.name
            case HieraDimensions(width=width, blocks=stages) if (
                patches is not None and len(patches) == width and blocks == sum(stages)
            ):
                return spec.name
    return None
