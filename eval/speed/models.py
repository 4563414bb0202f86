"""Models on the same weights: segment-anything as it is, and ours."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from persam_video.sam.build import build_network, choose_precision
from persam_video.sam.model import ImageEmbedding, ModelInfo, SamModel
from persam_video.sam.modules import ImageEncoderViT
from persam_video.sam.prompts import MaskPrediction, Prompts
from persam_video.sam.registry import VitDimensions, model_spec

CPU = torch.device("cpu")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class CountingSam(SamModel):
    """A model that counts the objects it decodes, to tell whether both sides did their work."""

    decoded = 0

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        """See :meth:`SamModel.decode`."""
        self.decoded += len(prompts)
        return super().decode(embedding, prompts)


@dataclass(frozen=True)
class VitModels:
    """A ViT SAM with random weights, three times the same.

    Attributes:
        original: segment-anything's own image encoder, in fp32.
        fp32: ours in fp32.
        native: ours in the precision that suits this machine; ``fp32`` itself where that is fp32.
    """

    original: CountingSam
    fp32: CountingSam
    native: CountingSam


def vit_models(name: str) -> VitModels:
    """Build vit_b, vit_l or vit_h with random weights, on the CPU."""
    spec = model_spec(name)
    shape = spec.encoder
    if not isinstance(shape, VitDimensions):
        raise SystemExit(f"{name} has no ViT of segment-anything: choose vit_b, vit_l or vit_h")
    torch.manual_seed(0)
    ours = build_network(spec, spec.image_size)
    with torch.no_grad():
        for key, value in ours.image_encoder.named_parameters():
            if "pos" in key:  # zeros until they are trained, which would spare work
                value.normal_(std=0.02)
    original = ImageEncoderViT(
        depth=shape.depth,
        embed_dim=shape.width,
        img_size=spec.image_size,
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=shape.heads,
        patch_size=16,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=shape.global_blocks,
        window_size=14,
        out_chans=256,
    )
    original.load_state_dict(ours.image_encoder.state_dict())

    def model(encoder: nn.Module, precision: str) -> CountingSam:
        network = build_network(spec, spec.image_size)
        network.load_state_dict(ours.state_dict())
        return CountingSam(
            encoder if encoder is original else network.image_encoder,
            network.prompt_encoder,
            network.mask_decoder,
            ModelInfo(name, "", "random weights", spec.image_size, "cpu", precision),
            CPU,
            _DTYPES[precision],
        )

    native = choose_precision("auto", CPU)
    fp32 = model(ours.image_encoder, "fp32")
    return VitModels(
        model(original, "fp32"), fp32, fp32 if native == "fp32" else model(ours, native)
    )
