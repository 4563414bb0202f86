"""Configurations of transformers' SAM 2.1 and EdgeTAM, from a known shape or a saved folder."""

import json
from pathlib import Path
from typing import Any, TypeAlias

from persam_video.errors import ModelError
from persam_video.sam.registry import HieraDimensions

VideoConfig: TypeAlias = Any
"""A ``Sam2VideoConfig`` or ``EdgeTamVideoConfig``."""

CONFIG_FILE = "config.json"
"""Name of the file with the configuration, beside the weights."""

EDGETAM = "edgetam_video"
"""EdgeTAM's kind, as its configuration says it."""

_KINDS = ("sam2_video", EDGETAM)
_EMBED_DIM = 256
_STRIDES = (4, 8, 16)  # of the feature pyramid

# the rules of SAM 2.1 for tracking without clicks; others were never published
_RULES = {
    "multimask_output_in_sam": True,
    "multimask_output_for_tracking": True,
    "multimask_min_pt_num": 0,
    "enable_temporal_pos_encoding_for_object_pointers": True,
    "enable_occlusion_spatial_embedding": True,
}


def require_transformers() -> Any:
    """Return the package transformers.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import transformers  # noqa: PLC0415
    except ImportError as error:
        raise ModelError(
            "SAM 2.1 and EdgeTAM need transformers: pip install 'persam-video[sam2]'"
        ) from error
    return transformers


def hiera_config(shape: HieraDimensions, image_size: int) -> VideoConfig:
    """Return the configuration of SAM 2.1 with an image encoder of a shape.

    Args:
        shape: shape of the Hiera.
        image_size: side of the square input, in pixels.

    Raises:
        ModelError: transformers is not installed.
    """
    transformers = require_transformers()
    widths, heads = (
        [first * 2**stage for stage in range(4)] for first in (shape.width, shape.heads)
    )
    sides = [image_size // stride for stride in _STRIDES]
    vision = transformers.Sam2VisionConfig(
        backbone_config=transformers.Sam2HieraDetConfig(
            hidden_size=shape.width,
            num_attention_heads=shape.heads,
            image_size=[image_size, image_size],
            window_positional_embedding_background_size=list(shape.background),
            blocks_per_stage=list(shape.blocks),
            embed_dim_per_stage=widths,
            num_attention_heads_per_stage=heads,
            window_size_per_stage=list(shape.windows),
            global_attention_blocks=list(shape.global_blocks),
        ),
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[side, side] for side in sides],
        fpn_hidden_size=_EMBED_DIM,
    )
    return transformers.Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"image_size": image_size},
        image_size=image_size,
        memory_attention_rope_feat_sizes=[sides[-1], sides[-1]],
        attn_implementation="sdpa",
    )


def saved_config(folder: Path) -> VideoConfig:
    """Read the configuration of a folder that transformers saved a video model in.

    Raises:
        ModelError: transformers, or timm for EdgeTAM, is not installed; or the folder holds no
            such model.
    """
    transformers = require_transformers()
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise ModelError(
            f"{folder} holds no {CONFIG_FILE}: give a folder that transformers saved a "
            "Sam2VideoModel or EdgeTamVideoModel in"
        )
    kind = _kind(file)
    if kind not in _KINDS:
        raise ModelError(
            f"{folder} holds a model of the kind '{kind}', and --model takes folders of "
            f"{' and '.join(_KINDS)}: give the name of a model, and this folder as --checkpoint"
        )
    if kind == EDGETAM:
        _check_timm()
    try:
        config = transformers.AutoConfig.from_pretrained(  # nosec B615: nothing is downloaded
            str(folder), local_files_only=True, attn_implementation="sdpa"
        )
    except Exception as error:  # whatever a damaged file makes transformers raise
        raise _unreadable(file) from error
    for rule, expected in _RULES.items():
        if getattr(config, rule) != expected:
            raise ModelError(f"{file} has {rule} {getattr(config, rule)}: only {expected} works")
    return config


def _kind(file: Path) -> object:
    """Return the kind of model that a configuration says it is of."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(file) from error
    return values.get("model_type") if isinstance(values, dict) else None


def _unreadable(file: Path) -> ModelError:
    return ModelError(f"{file} cannot be read as a configuration: save the model again")


def _check_timm() -> None:
    try:
        import timm  # noqa: F401, PLC0415
    except ImportError as error:
        raise ModelError("EdgeTAM needs timm: pip install 'persam-video[edgetam]'") from error
    except RuntimeError as error:  # torchvision's operators did not load
        raise ModelError(
            "timm cannot be imported: install the torchvision that belongs to this torch"
        ) from error
