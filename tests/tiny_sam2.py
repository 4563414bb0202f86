"""Tiny video models of transformers with random weights, as their owners would save them."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

SIDE = 64
KINDS = ("sam2_video", "edgetam_video")

_WIDTHS = [16, 32, 64, 128]
_SIZES = {
    "backbone_channel_list": _WIDTHS[::-1],
    "backbone_feature_sizes": [[SIDE // stride] * 2 for stride in (4, 8, 16)],
}
_HIERA = {
    "model_type": "sam2_vision_model",
    "backbone_config": {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 16,
        "num_attention_heads": 1,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": _WIDTHS,
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "global_attention_blocks": [3],
    },
    **_SIZES,
}
_REPVIT = {
    "model_type": "edgetam_vision_model",
    "backbone_config": {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m0_9",
        "num_classes": 2,
        "model_args": {
            "in_chans": 3,
            "features_only": True,
            "out_indices": [0, 1, 2, 3],
            "embed_dim": _WIDTHS,
            "depth": [1, 1, 1, 1],
        },
    },
    **_SIZES,
}
_SHARED = {
    "prompt_encoder_config": {"image_size": SIDE},
    "mask_decoder_config": {"mlp_dim": 128},
    "image_size": SIDE,
    "memory_attention_rope_feat_sizes": [SIDE // 16, SIDE // 16],
    "memory_attention_num_layers": 2,
}


@dataclass(frozen=True)
class Noise:
    """What makes random weights matter.

    Attributes:
        vision: standard deviation of what is added to the image encoder's weights.
        rest: the same for all others.
        presence: bias of the score of an object's presence.
    """

    vision: float
    rest: float
    presence: float


NOISE = {"sam2_video": Noise(0.05, 0.05, 0.08), "edgetam_video": Noise(0.15, 0.08, 0.66)}


def sam2_video():
    """Return SAM 2.1."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    return Sam2VideoModel(Sam2VideoConfig(vision_config=_HIERA, **_SHARED))


def edgetam_video():
    """Return EdgeTAM, whose image encoder is timm's."""
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel

    config = EdgeTamVideoConfig(
        vision_config=_REPVIT,
        memory_attention_rope_k_sizes=[2, 2],
        perceiver_resampler_num_latents=8,
        perceiver_resampler_num_latents_2d=4,
        **_SHARED,
    )
    return EdgeTamVideoModel(config)


def require(kind: str) -> None:
    """Skip a test if a package that a kind of model needs cannot be imported."""
    if find_spec("transformers") is None:
        pytest.skip("transformers is not installed")
    if kind == "edgetam_video":
        try:
            import timm  # noqa: F401
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"timm cannot be imported: {error}")


@torch.no_grad()
def save(kind: str, folder: Path) -> None:
    """Save a model of a kind.

    All weights are random, and the score of an object's presence is near 0, so that it is now above
    and now below.
    """
    torch.manual_seed(0)
    model = {"sam2_video": sam2_video, "edgetam_video": edgetam_video}[kind]()
    noise = NOISE[kind]
    for name, weight in model.named_parameters():
        alpha = noise.vision if name.startswith("vision_encoder.") else noise.rest
        weight.add_(torch.randn_like(weight), alpha=alpha)
    model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(noise.presence)
    # SAM 2 has one matrix, which its files hold under two names
    shared = model.prompt_encoder.shared_embedding.positional_embedding
    model.shared_image_embedding.positional_embedding.copy_(shared)
    model.save_pretrained(folder)
