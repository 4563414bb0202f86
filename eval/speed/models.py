"""Models with the same weights: unchanged segment-anything, and ours."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from eval.speed.timing import Spent, middle
from persam_video.sam.build import build_network, choose_precision
from persam_video.sam.model import ImageEmbedding, ModelInfo, SamModel
from persam_video.sam.modules import ImageEncoderViT
from persam_video.sam.prompts import MaskPrediction, Prompts
from persam_video.sam.registry import VitDimensions, model_spec
from persam_video.sam.transform import View
from persam_video.video.picture import Pixels

CPU = torch.device("cpu")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TimedSam(SamModel):
    """A model that counts its work, and can add the time of encoding instead of doing it.

    Attributes:
        encodings: what each frame took.
        kept: the last embedding.
        reckons: whether ``encode`` gives that, and adds the median of the encodings to what is
            ``reckoned``; all frames must be of one size then.
        reckoned: all in all.
        decoded: objects, which tells whether both sides did their work.
    """

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.encodings: list[Spent] = []
        self.kept: ImageEmbedding | None = None
        self.reckons = False
        self.reckoned = Spent()
        self.decoded = 0

    def encode(self, frame: Pixels, view: View | None = None) -> ImageEmbedding:
        """See ``SamModel.encode``."""
        if self.reckons and self.kept is not None:
            self.reckoned += middle(self.encodings)
            return self.kept
        begun = Spent.now()
        self.kept = super().encode(frame, view)
        self.encodings.append(Spent.now().since(begun))
        return self.kept

    def decode(self, embedding: ImageEmbedding, prompts: Prompts) -> MaskPrediction:
        """See ``SamModel.decode``."""
        self.decoded += len(prompts)
        return super().decode(embedding, prompts)


@dataclass(frozen=True)
class VitModels:
    """Two implementations of a ViT SAM with the same random weights.

    Attributes:
        original: segment-anything's own image encoder, in fp32.
        native: ours in the precision that suits this machine.
    """

    original: TimedSam
    native: TimedSam


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

    def model(encoder: nn.Module, precision: str) -> TimedSam:
        network = build_network(spec, spec.image_size)
        network.load_state_dict(ours.state_dict())
        network.image_encoder = encoder
        return TimedSam(
            network,
            ModelInfo(name, "", spec.image_size, "cpu", precision),
            CPU,
            _DTYPES[precision],
        )

    native = choose_precision("auto", CPU)
    return VitModels(model(original, "fp32"), model(ours.image_encoder, native))
