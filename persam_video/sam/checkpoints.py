"""Reading weight files without running what is in them."""

import hashlib
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from persam_video.errors import ModelError
from persam_video.sam.registry import MODELS


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors or from a ``.pth`` file, on the CPU.

    Raises:
        ModelError: the file is missing, damaged, or holds something else than weights.
    """
    if not file.is_file():
        raise ModelError(f"no checkpoint at {file}: give the path of a weight file")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"{file} is not a whole weight file (damaged or cut short?): download it again"
        ) from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{file} holds more than weights, and running its code is refused: "
            "give a plain state dict (.pth) or a safetensors file"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{file} is not a state dict: give a file of SAM weights")
    return state


def load_weights(module: nn.Module, state: dict[str, Tensor], name: str, file: Path) -> None:
    """Load a state dict into a model, strictly.

    Args:
        module: the model, of the architecture called ``name``.
        state: its weights.
        name: for the message.
        file: for the message.

    Raises:
        ModelError: the weights are of another model.
    """
    expected = module.state_dict()
    missing = expected.keys() - state.keys()
    misfits = [k for k in expected.keys() & state.keys() if expected[k].shape != state[k].shape]
    extra = state.keys() - expected.keys()
    if not (missing or misfits or extra):
        module.load_state_dict(state)
        return
    other = recognise(state)
    if other is not None and other != name:
        raise ModelError(f"{file} holds {other}, not {name}: pass --model {other}")
    raise ModelError(
        f"{file} does not fit {name}: {len(missing)} weights missing, {len(misfits)} of another "
        f"shape, {len(extra)} unknown; give a checkpoint of {name}"
    )


def recognise(state: dict[str, Tensor]) -> str | None:
    """Return the name of the model that a state dict belongs to, or ``None``."""
    if "image_encoder.backbone.stem.weight" in state:
        return "lite"
    position = state.get("image_encoder.pos_embed")
    if position is None:
        return None
    width = position.shape[-1]
    for spec in MODELS.values():
        if spec.vit is not None and spec.vit.width == width:
            return spec.name
    return None
