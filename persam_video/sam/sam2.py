"""SAM 2.1 on single images: transformers' image encoder, with the guided mask decoder.

SAM 2.1 kept SAM's prompt encoder and two-way transformer, so PerSAM's guidance works on it
unchanged. What differs: features of the encoder's first stages enter the upscaling of the masks, a
token for the object's presence stands beside the mask tokens, a point that is none follows a box,
and images are stretched to a square instead of padded. Its memory of past frames is not used.

Source: Ravi et al., "SAM 2: Segment Anything in Images and Videos", ICLR 2025.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from persam_video.errors import ModelError
from persam_video.sam.decoder import FastLayerNorm2d, GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.modules import PromptEncoder
from persam_video.sam.network import CELL, ImageFeatures, Sam
from persam_video.sam.registry import HieraDimensions

_EMBED_DIM = 256


class Sam2ImageEncoder(nn.Module):
    """transformers' Hiera with its feature pyramid.

    Args:
        shape: shape of the Hiera.
        image_size: side of the square input, in pixels.

    Raises:
        ModelError: transformers is not installed.
    """

    def __init__(self, shape: HieraDimensions, image_size: int) -> None:
        super().__init__()
        try:
            from transformers import (  # noqa: PLC0415
                Sam2HieraDetConfig,
                Sam2VisionConfig,
                Sam2VisionModel,
            )
        except ImportError as error:
            raise ModelError(
                "SAM 2.1 needs transformers: pip install 'persam-video[sam2]'"
            ) from error
        widths, heads = (
            [first * 2**stage for stage in range(4)] for first in (shape.width, shape.heads)
        )
        sides = [image_size // stride for stride in (4, 8, CELL)]
        self.vision = Sam2VisionModel(
            Sam2VisionConfig(
                backbone_config=Sam2HieraDetConfig(
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
        )
        self.conv_s0 = nn.Conv2d(_EMBED_DIM, _EMBED_DIM // 8, 1)
        self.conv_s1 = nn.Conv2d(_EMBED_DIM, _EMBED_DIM // 4, 1)
        self.no_memory_embedding = nn.Parameter(torch.zeros(1, 1, _EMBED_DIM))

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), squares of the image size."""
        quarter, eighth, coarse = self.vision(images).fpn_hidden_states
        embedding = (coarse + self.no_memory_embedding.view(1, -1, 1, 1)).float()
        return ImageFeatures(
            embedding, F.normalize(embedding, dim=1), (self.conv_s1(eighth), self.conv_s0(quarter))
        )


class Sam2PromptEncoder(PromptEncoder):  # type: ignore[misc]
    """SAM's prompt encoder with the points that are none where SAM 2.1 was trained with them."""

    def forward(
        self, points: tuple[Tensor, Tensor] | None, boxes: Tensor | None, masks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Embed prompts; ``points`` are (N, P, 2) and labels (N, P), ``boxes`` (N, 4).

        Returns:
            Sparse (N, T, C) and dense (N, C, h, w) embeddings.
        """
        sparse, dense = super().forward(points, boxes, masks)
        # after a box one point that is none; two instead of no prompt at all
        missing = 1 if boxes is not None else 2 if points is None else 0
        none = self.not_a_point_embed.weight.expand(len(sparse), missing, -1)
        return torch.cat([sparse, none], dim=1), dense


class Sam2MaskDecoder(GuidedMaskDecoder):
    """The guided mask decoder with SAM 2.1's token for the object's presence, and its skips."""

    def __init__(self) -> None:
        super().__init__(
            _EMBED_DIM, GuidedTwoWayTransformer(2, _EMBED_DIM, num_heads=8, mlp_dim=2048)
        )
        self.obj_score_token = nn.Embedding(1, _EMBED_DIM)
        self.iou_prediction_head.sigmoid_output = True
        self.output_upscaling[1] = FastLayerNorm2d(_EMBED_DIM // 4)

    def _output_tokens(self) -> Tensor:
        # attention does not see the order of tokens, so this one may come last
        return torch.cat([super()._output_tokens(), self.obj_score_token.weight])

    def _upscale(self, source: Tensor, skips: tuple[Tensor, ...] | None) -> Tensor:
        if skips is None:
            return super()._upscale(source, skips)
        expand_half, norm, activation, expand_quarter, last_activation = self.output_upscaling
        half = activation(norm(expand_half(source) + skips[0]))
        return cast(Tensor, last_activation(expand_quarter(half) + skips[1]))


class Sam2(Sam):
    """SAM 2.1 without its memory.

    Args:
        shape: shape of the image encoder.
        image_size: side of the square input, in pixels.
    """

    stretches = True

    def __init__(self, shape: HieraDimensions, image_size: int) -> None:
        cells = image_size // CELL
        super().__init__(
            Sam2ImageEncoder(shape, image_size),
            Sam2PromptEncoder(_EMBED_DIM, (cells, cells), (image_size, image_size), 16),
            Sam2MaskDecoder(),
        )

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), squares of the image size."""
        return cast(ImageFeatures, self.image_encoder(images))
