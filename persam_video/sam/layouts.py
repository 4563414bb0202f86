"""Convert state dicts of other projects to segment-anything's names.

Meta's and HQ-SAM's files need no conversion. Hugging Face's ``SamModel`` names the same tensors
differently, and so does its ``Sam2Model``, whose image encoder keeps its names.
What a training script saved may have the name of a wrapping module before each name.
MobileSAM uses Meta's names but has batch norms, which are folded into the convolutions before them,
and the unused classifier of the TinyViT that it was initialised from.
"""

import re

from torch import Tensor
from torch.nn.utils import fuse_conv_bn_weights

State = dict[str, Tensor]

_BATCH_NORM_EPS = 1e-5
_WRAPPED = re.compile(r"((?:\w+\.)+)(?:image|vision)_encoder\.")
_UNUSED = ("image_encoder.head.", "image_encoder.norm_head.")

_HEADS = r"(_mlps\.\d|\.(?:iou_prediction|pred_obj_score)_head)"

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
        (_HEADS + r"\.layers\.0\.", r"\1.layers.1."),
        (_HEADS + r"\.proj_in\.", r"\1.layers.0."),
        (_HEADS + r"\.proj_out\.", r"\1.layers.2."),
    )
)

# parts of the image encoder here, and their names in it
_SAM2_ENCODER = {
    "vision_encoder.": "image_encoder.vision.",
    "mask_decoder.conv_s": "image_encoder.conv_s",
    "no_memory_embedding": "image_encoder.no_memory_embedding",
}
_SAM2_LAYERS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\.o_proj\.", ".out_proj."),
        (r"\.mlp\.proj_in\.", ".mlp.lin1."),
        (r"\.mlp\.proj_out\.", ".mlp.lin2."),
    )
)
# what remembers past frames
_SAM2_MEMORY = (
    "memory_",
    "mask_downsample.",
    "object_pointer_proj.",
    "temporal_positional_encoding_projection_layer.",
    "no_object_pointer",
    "occlusion_spatial_embedding_parameter",
    "spatial_perceiver.",
)
_SAM2_UNUSED = "no_memory_positional_encoding"


def _unwrapped(state: State) -> State:
    """Drop the name of a wrapping module, as ``module.`` or micro-sam's ``sam.``, before names."""
    wrapper = next((match[1] for name in state if (match := _WRAPPED.match(name))), "")
    if not wrapper:
        return state
    return {name.removeprefix(wrapper): value for name, value in state.items()}


def to_sam_layout(state: State) -> State:
    """Rename a state dict's tensors to segment-anything's names; unknown ones stay as they are."""
    state = _unwrapped(state)
    if any(name.startswith("vision_encoder.neck.convs.") for name in state):
        return _from_sam2(state)
    if any(name.startswith("vision_encoder.") for name in state):
        return _from_hugging_face(state)
    if "image_encoder.patch_embed.seq.0.c.weight" in state:
        return _from_mobile_sam(state)
    return state


def _from_hugging_face(state: State) -> State:
    return {_sam_name(name): value for name, value in state.items()}


def _from_sam2(state: State) -> State:
    converted: State = {}
    for name, value in state.items():
        if name == _SAM2_UNUSED:
            continue
        if name == "prompt_encoder.point_embed.weight":  # all kinds of points in one tensor
            for kind, row in enumerate(value):
                converted[f"prompt_encoder.point_embeddings.{kind}.weight"] = row[None]
        else:
            converted[_sam2_name(name)] = value
    return converted


def _sam2_name(hugging_face_name: str) -> str:
    if hugging_face_name.startswith(_SAM2_MEMORY):
        return f"memory.{hugging_face_name}"
    for theirs, ours in _SAM2_ENCODER.items():
        if hugging_face_name.startswith(theirs):
            return ours + hugging_face_name.removeprefix(theirs)
    name = hugging_face_name
    for pattern, replacement in _SAM2_LAYERS:
        name = pattern.sub(replacement, name)
    return _sam_name(name)


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
