"""Convert state dicts of other projects to segment-anything's names.

Meta's files need no conversion. Hugging Face's ``SamModel`` names the same tensors differently.
MobileSAM uses Meta's names but has batch norms, which are folded into the convolutions before them,
and the unused classifier of the TinyViT that it was initialised from.
"""

import re

from torch import Tensor
from torch.nn.utils import fuse_conv_bn_weights

State = dict[str, Tensor]

_BATCH_NORM_EPS = 1e-5
_UNUSED = ("image_encoder.head.", "image_encoder.norm_head.")

# applied in turn to each name
_HUGGING_FACE_NAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^vision_encoder\.", "image_encoder."),
        (r"^image_encoder\.layers\.", "image_encoder.blocks."),
        (r"^image_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
        (r"^image_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
        (r"^image_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
        (r"^image_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
        (r"^image_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
        # one tensor under two names; a file may have either
        (
            r"^(shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$",
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        ),
        (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
        (r"\.mask_embed\.conv1\.", ".mask_downscaling.0."),
        (r"\.mask_embed\.layer_norm1\.", ".mask_downscaling.1."),
        (r"\.mask_embed\.conv2\.", ".mask_downscaling.3."),
        (r"\.mask_embed\.layer_norm2\.", ".mask_downscaling.4."),
        (r"\.mask_embed\.conv3\.", ".mask_downscaling.6."),
        (r"\.upscale_conv1\.", ".output_upscaling.0."),
        (r"\.upscale_layer_norm\.", ".output_upscaling.1."),
        (r"\.upscale_conv2\.", ".output_upscaling.3."),
        (r"\.layer_norm(\d|_final_attn)\.", r".norm\1."),
        # the heads have three layers, of which only the middle one is in a list
        (r"(_mlps\.\d|\.iou_prediction_head)\.layers\.0\.", r"\1.layers.1."),
        (r"(_mlps\.\d|\.iou_prediction_head)\.proj_in\.", r"\1.layers.0."),
        (r"(_mlps\.\d|\.iou_prediction_head)\.proj_out\.", r"\1.layers.2."),
    )
)


def to_sam_layout(state: State) -> State:
    """Rename a state dict's tensors to segment-anything's names; unknown ones stay as they are."""
    if any(name.startswith("vision_encoder.") for name in state):
        return _from_hugging_face(state)
    if "image_encoder.patch_embed.seq.0.c.weight" in state:
        return _from_mobile_sam(state)
    return state


def _from_hugging_face(state: State) -> State:
    return {_sam_name(name): value for name, value in state.items()}


def _sam_name(hugging_face_name: str) -> str:
    name = hugging_face_name
    for pattern, replacement in _HUGGING_FACE_NAMES:
        name = pattern.sub(replacement, name)
    return name


def _from_mobile_sam(state: State) -> State:
    converted: State = {}
    for name, value in state.items():
        if name.startswith(_UNUSED) or ".bn." in name:
            continue
        if name.endswith(".c.weight"):
            base = name.removesuffix(".c.weight")
            weight, bias = _fold(value, state, f"{base}.bn")
            converted |= {f"{base}.weight": weight, f"{base}.bias": bias}
        else:
            converted[name] = value
    return converted


def _fold(weight: Tensor, state: State, norm: str) -> tuple[Tensor, Tensor]:
    """Fold a batch norm into the convolution before it; return the weight and bias."""
    mean, variance, scale, shift = (
        state[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return fuse_conv_bn_weights(weight, None, mean, variance, _BATCH_NORM_EPS, scale, shift)
