"""Building a model by name and putting it on a device."""

from collections import OrderedDict
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from persam_video.errors import ModelError
from persam_video.sam.checkpoints import file_sha256, load_weights, read_state_dict
from persam_video.sam.decoder import GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.lite import LiteSam
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.sam.modules import ImageEncoderViT, PromptEncoder
from persam_video.sam.registry import ModelSpec, VitDimensions, model_spec

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_CELL = 16


def load_sam(
    model: str = "lite",
    checkpoint: str | Path | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    image_size: int | None = None,
) -> SamModel:
    """Load a SAM.

    Args:
        model: lite (ships with the package), vit_b, vit_l or vit_h.
        checkpoint: weight file, safetensors or .pth; needed for all models but lite.
        device: auto, cpu, cuda or mps; auto takes the best one present.
        precision: auto, fp32, bf16 or fp16; auto takes bf16 where the device computes in it.
        image_size: long side of the input in pixels; only lite may differ from its default.

    Raises:
        ModelError: unknown model, device or precision, or an unusable checkpoint.
    """
    spec = model_spec(model)
    place = choose_device(device)
    chosen = choose_precision(precision, place)
    side = _image_size(spec, image_size)
    network = build_network(spec, side)
    if checkpoint is not None:
        sha256 = _load(network, Path(checkpoint), spec.name)
        source = Path(checkpoint).name
    elif spec.name == "lite":
        with as_file(files("persam_video.sam") / "weights" / "lite.safetensors") as file:
            sha256 = _load(network, file, spec.name)
            source = file.name
    else:
        raise ModelError(f"{model} needs its weights: pass --checkpoint FILE")
    info = ModelInfo(spec.name, sha256, source, side, str(place), chosen)
    return SamModel(
        network.image_encoder,
        network.prompt_encoder,
        network.mask_decoder,
        info,
        place,
        _DTYPES[chosen],
    )


def _load(network: nn.Module, file: Path, name: str) -> str:
    load_weights(network, read_state_dict(file), name, file)
    return file_sha256(file)


def _image_size(spec: ModelSpec, wanted: int | None) -> int:
    if wanted is None or wanted == spec.image_size:
        return spec.image_size
    if spec.vit is not None:
        raise ModelError(f"{spec.name} works at {spec.image_size} pixels only: drop image_size")
    if wanted % 32 or not 128 <= wanted <= 2048:
        raise ModelError(f"image_size {wanted} is not a multiple of 32 between 128 and 2048")
    return wanted


def build_network(spec: ModelSpec, image_size: int) -> nn.Module:
    """Build a model with random weights, its parts under SAM's names."""
    return LiteSam(image_size) if spec.vit is None else _build_vit(spec.vit, image_size)


def _build_vit(vit: VitDimensions, image_size: int) -> nn.Module:
    cells, channels = image_size // _CELL, 256
    return nn.Sequential(
        OrderedDict(
            image_encoder=ImageEncoderViT(
                depth=vit.depth,
                embed_dim=vit.width,
                img_size=image_size,
                mlp_ratio=4,
                norm_layer=partial(nn.LayerNorm, eps=1e-6),
                num_heads=vit.heads,
                patch_size=_CELL,
                qkv_bias=True,
                use_rel_pos=True,
                global_attn_indexes=vit.global_blocks,
                window_size=14,
                out_chans=channels,
            ),
            prompt_encoder=PromptEncoder(
                embed_dim=channels,
                image_embedding_size=(cells, cells),
                input_image_size=(image_size, image_size),
                mask_in_chans=16,
            ),
            mask_decoder=GuidedMaskDecoder(
                channels, GuidedTwoWayTransformer(2, channels, num_heads=8, mlp_dim=2048)
            ),
        )
    )


def choose_device(name: str) -> torch.device:
    """Turn a device name into a device that is there.

    Raises:
        ModelError: unknown name, or no such device on this machine.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if present[kind]))
    kind = name.split(":", maxsplit=1)[0]
    if kind not in present:
        raise ModelError(f"unknown device '{name}': choose auto, cpu, cuda or mps")
    if not present[kind]:
        raise ModelError(f"there is no {kind} device here: pass --device auto or cpu")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """Turn a precision name into fp32, bf16 or fp16.

    ``auto`` takes bf16 where matrix products run natively in it and fp32 elsewhere: emulated bf16
    is slower than fp32.

    Raises:
        ModelError: unknown name.
    """
    if name in _DTYPES:
        return name
    if name != "auto":
        raise ModelError(f"unknown precision '{name}': choose auto, fp32, bf16 or fp16")
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported()
    elif device.type == "cpu":
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        native = False
    return "bf16" if native else "fp32"
