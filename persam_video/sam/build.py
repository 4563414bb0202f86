"""Load a model by name onto a device."""

import logging
import os
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from persam_video.config import Settings
from persam_video.errors import ModelError
from persam_video.sam.checkpoints import load_weights, read_state_dict, weight_file
from persam_video.sam.decoder import GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.download import cached_path, embedded_path, hub_path
from persam_video.sam.hq import HQ_TOKEN, HqMaskDecoder, HqSam
from persam_video.sam.lite import LiteSam
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.sam.modules import PromptEncoder
from persam_video.sam.network import CELL, Sam
from persam_video.sam.registry import (
    HieraDimensions,
    ModelSpec,
    SavedShape,
    TinyVitDimensions,
    VitDimensions,
    model_spec,
)
from persam_video.sam.sam2 import Sam2
from persam_video.sam.sam2_config import (
    VideoConfig,
    hiera_config,
    require_transformers,
    saved_config,
)
from persam_video.sam.tiny_vit import TinyVitImageEncoder
from persam_video.sam.vit import FusedImageEncoderViT
from persam_video.util.download import file_sha256

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_EMBED_DIM = 256

_WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""Instructions that oneDNN, which multiplies in bf16, can be held to, and that have none for it."""


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
        model: lite (ships with the package), vit_t, vit_b, vit_l, vit_h; sam2.1-tiny, -small,
            -base+ or -large, which need persam-video[sam2]; edgetam, which needs
            persam-video[edgetam]; or a folder that transformers saved a Sam2VideoModel or
            EdgeTamVideoModel in.
        checkpoint: weight file, safetensors or .pth, in the layout of segment-anything, MobileSAM,
            HQ-SAM or Hugging Face, or a folder that transformers saved a model in. Without it, the
            published file is taken from the cache (``persam_video.sam.download``), where
            ``persam-video models download`` puts it, or for SAM 2.1 and EdgeTAM from Hugging
            Face's cache.
        device: auto, cpu, cuda or mps; auto takes the best one available.
        precision: auto, fp32, bf16 or fp16; auto takes bf16 if the device supports it natively.
        image_size: long side of the input in pixels; only lite takes other than its default.

    Raises:
        ModelError: unknown model, device or precision, or an unusable or missing checkpoint.
    """
    spec = model_spec(model)
    place = choose_device(device)
    chosen = choose_precision(precision, place)
    config = None
    if isinstance(spec.encoder, SavedShape):
        require_transformers()
        config = saved_config(_weight_file(spec, checkpoint).parent)
        spec = replace(spec, image_size=config.image_size)
    side = _image_size(spec, image_size)
    network = _unfilled_network(spec, side, config=config)
    file = _weight_file(spec, checkpoint)
    # checked before the file is parsed
    sha256 = _checkpoint_sha256(file)
    published = spec.weights is not None and spec.weights.sha256 == sha256
    if checkpoint is None and spec.weights is not None and not published:
        raise ModelError(
            f"{file} is not the published file (its SHA-256 differs): run persam-video models "
            f"download {spec.name} to replace it, or pass it as --checkpoint to use it as it is"
        )
    state = read_state_dict(file)
    if HQ_TOKEN in state:
        network = _unfilled_network(spec, side, hq=True)
    network.leave_out_missing(state)
    load_weights(network, state, spec.name, file)
    if chosen != "fp32":
        network.prepare_for_rounding()
    return SamModel(
        network,
        ModelInfo(spec.name, sha256, side, str(place), chosen),
        place,
        _DTYPES[chosen],
    )


def _unfilled_network(
    spec: ModelSpec, image_size: int, *, hq: bool = False, config: VideoConfig | None = None
) -> Sam:
    """Build a model whose weights come from a file."""
    # On the meta device no random weights are drawn just to be overwritten by the file. But its
    # first use imports half of torch's compiler, which takes longer than drawing a small model.
    with nullcontext() if spec.encoder is None else torch.device("meta"):
        network = Sam2(config) if config is not None else build_network(spec, image_size, hq=hq)
        return network.float()  # whatever the default dtype is


def _weight_file(spec: ModelSpec, checkpoint: str | Path | None) -> Path:
    """Return the weight file of a checkpoint, by default the model's own."""
    if checkpoint is not None:
        return weight_file(Path(checkpoint))
    if spec.repository is not None:
        found = hub_path(spec.repository)
        if found is None:
            raise ModelError(
                f"no weights for {spec.name} in Hugging Face's cache: run hf download "
                f"{spec.repository}, or pass --checkpoint FOLDER"
            )
        return found
    if isinstance(spec.encoder, SavedShape):
        return weight_file(Path(spec.name))
    if spec.weights is None:
        return embedded_path()
    file = cached_path(spec.weights)
    if not file.is_file():
        raise ModelError(
            f"no weights for {spec.name} at {file}: run persam-video models download "
            f"{spec.name}, or pass --checkpoint FILE"
        )
    return file


def _checkpoint_sha256(file: Path) -> str:
    try:
        return file_sha256(file)
    except OSError as error:
        raise ModelError(
            f"no checkpoint at {file} ({error.strerror or error}): give the path of a weight file"
        ) from error


def _image_size(spec: ModelSpec, wanted: int | None) -> int:
    if wanted is None or wanted == spec.image_size:
        return spec.image_size
    if spec.encoder is not None:
        raise ModelError(f"{spec.name} works at {spec.image_size} pixels only: drop image_size")
    if wanted % 32 or not 128 <= wanted <= 2048:
        raise ModelError(f"image_size {wanted} is not a multiple of 32 between 128 and 2048")
    return wanted


def build_network(spec: ModelSpec, image_size: int, *, hq: bool = False) -> Sam:
    """Build a model with random weights; ``hq`` adds what HQ-SAM adds to Meta's and MobileSAM.

    Raises:
        ModelError: a package that the model needs is missing, or its shape is in a file.
    """
    shape = spec.encoder
    if shape is None:
        return LiteSam(image_size)
    if isinstance(shape, HieraDimensions):
        return Sam2(hiera_config(shape, image_size))
    if isinstance(shape, SavedShape):
        raise ModelError(f"the shape of {spec.name} is in the folder of its weights: load it")
    cells = image_size // CELL
    image_encoder = _image_encoder(shape, image_size)
    prompt_encoder = PromptEncoder(
        embed_dim=_EMBED_DIM,
        image_embedding_size=(cells, cells),
        input_image_size=(image_size, image_size),
        mask_in_chans=16,
    )
    transformer = GuidedTwoWayTransformer(2, _EMBED_DIM, num_heads=8, mlp_dim=2048)
    if not hq:
        return Sam(image_encoder, prompt_encoder, GuidedMaskDecoder(_EMBED_DIM, transformer))
    early_dim = shape.width if isinstance(shape, VitDimensions) else shape.widths[2]
    decoder = HqMaskDecoder(_EMBED_DIM, transformer, early_dim)
    return HqSam(image_encoder, prompt_encoder, decoder)


def _image_encoder(
    shape: VitDimensions | TinyVitDimensions, image_size: int
) -> FusedImageEncoderViT | TinyVitImageEncoder:
    if isinstance(shape, TinyVitDimensions):
        return TinyVitImageEncoder(shape, _EMBED_DIM)
    return FusedImageEncoderViT(
        depth=shape.depth,
        embed_dim=shape.width,
        img_size=image_size,
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=shape.heads,
        patch_size=CELL,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=shape.global_blocks,
        window_size=14,
        out_chans=_EMBED_DIM,
    )


def choose_device(name: str) -> torch.device:
    """Turn a device name into an available device.

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

    ``auto`` takes bf16 where matrix products run natively in it, else fp32: emulated bf16 is slower
    than fp32.

    Raises:
        ModelError: unknown name.
    """
    if name in _DTYPES:
        return name
    if name != "auto":
        raise ModelError(f"unknown precision '{name}': choose auto, fp32, bf16 or fp16")
    if device.type == "cuda":
        # older GPUs emulate it, and lack convolutions in it
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() not in _WITHOUT_BF16
        native = allowed and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
    else:
        native = False
    return "bf16" if native else "fp32"


_log = logging.getLogger(__name__)


def load_model(settings: Settings) -> SamModel:
    """Load the model that the settings name.

    Raises:
        ModelError: unknown model, device or precision, or an unusable or missing checkpoint.
    """
    chosen = settings.model
    model = load_sam(
        chosen.name,
        chosen.checkpoint,
        device=chosen.device,
        precision=chosen.precision,
        image_size=chosen.image_size,
    )
    info = model.info
    _log.info(
        "model %s (sha256 %s) on %s in %s, images of %d pixels",
        info.name,
        info.sha256,
        info.device,
        info.precision,
        info.image_size,
    )
    return model
