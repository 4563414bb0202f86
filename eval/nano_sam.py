"""The nano SAM of the development data: segment-anything's modules with few channels."""

import hashlib
import json
from functools import partial
from pathlib import Path

import torch
from torch import nn

from persam_video.sam.decoder import GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.model import ModelInfo, SamModel
from persam_video.sam.modules import PromptEncoder
from persam_video.sam.network import Sam
from persam_video.sam.vit import FusedImageEncoderViT


def load_nano_sam(folder: Path, model_type: type[SamModel] = SamModel) -> SamModel:
    """Build the SAM that ``sam_nano.json`` describes and load ``sam_nano.pt``, on the CPU in fp32.

    Args:
        folder: holds the two files.
        model_type: class of the result; a subclass can inspect what the model is asked.
    """
    shape = json.loads((folder / "sam_nano.json").read_text(encoding="utf-8"))
    weights = folder / "sam_nano.pt"
    side, patch, channels = shape["image_size"], shape["patch_size"], shape["embed_dim"]
    encoder = FusedImageEncoderViT(
        img_size=side,
        patch_size=patch,
        embed_dim=shape["encoder_embed_dim"],
        depth=shape["encoder_depth"],
        num_heads=shape["encoder_num_heads"],
        global_attn_indexes=shape["encoder_global_attn_indexes"],
        window_size=shape["window_size"],
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        qkv_bias=True,
        use_rel_pos=True,
        out_chans=channels,
    )
    prompt_encoder = PromptEncoder(
        embed_dim=channels,
        image_embedding_size=(side // patch, side // patch),
        input_image_size=(side, side),
        mask_in_chans=shape["mask_in_chans"],
    )
    decoder = GuidedMaskDecoder(
        channels,
        GuidedTwoWayTransformer(
            shape["decoder_depth"],
            channels,
            num_heads=shape["decoder_num_heads"],
            mlp_dim=shape["decoder_mlp_dim"],
        ),
        num_multimask_outputs=shape["num_multimask_outputs"],
        iou_head_depth=shape["iou_head_depth"],
        iou_head_hidden_dim=shape["iou_head_hidden_dim"],
    )
    network = Sam(encoder, prompt_encoder, decoder)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    info = ModelInfo("nano", sha256, side, "cpu", "fp32")
    return model_type(network, info, torch.device("cpu"), torch.float32)
