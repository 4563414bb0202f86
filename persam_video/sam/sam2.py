"""SAM 2.1 and EdgeTAM: transformers' image encoder and memory, with the guided mask decoder.

SAM 2.1 kept SAM's prompt encoder and two-way transformer, so PerSAM's guidance works on it
unchanged. What differs: features of the encoder's first stages enter the upscaling of the masks, a
token for the object's presence stands beside the mask tokens, a point that is none follows a box,
and images are stretched to a square instead of padded. Its memory of past frames is in
``persam_video.sam.sam2_memory``. EdgeTAM has another image encoder and a smaller memory.

Source: Ravi et al., "SAM 2: Segment Anything in Images and Videos", ICLR 2025.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from persam_video.sam.decoder import FastLayerNorm2d, GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.modules import MLP, PromptEncoder
from persam_video.sam.network import CELL, ImageFeatures, Sam, normalised
from persam_video.sam.sam2_config import VideoConfig
from persam_video.sam.sam2_memory import sam2_memory


class Sam2ImageEncoder(nn.Module):
    """transformers' image encoder with its feature pyramid: Hiera, or EdgeTAM's RepViT.

    Args:
        config: configuration of the video model.
    """

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        from transformers import AutoModel  # noqa: PLC0415

        width = config.vision_config.fpn_hidden_size
        self.vision = AutoModel.from_config(config.vision_config)
        self.conv_s0 = nn.Conv2d(width, width // 8, 1)
        self.conv_s1 = nn.Conv2d(width, width // 4, 1)
        self.no_memory_embedding = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), squares of the image size."""
        quarter, eighth, coarse = self.vision(images).fpn_hidden_states
        embedding = coarse + self.no_memory_embedding.view(1, -1, 1, 1)
        return ImageFeatures(
            embedding, normalised(embedding), (self.conv_s1(eighth), self.conv_s0(quarter))
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

    def __init__(self, config: VideoConfig) -> None:
        shape = config.mask_decoder_config
        width = shape.hidden_size
        super().__init__(
            width,
            GuidedTwoWayTransformer(
                shape.num_hidden_layers,
                width,
                shape.num_attention_heads,
                shape.mlp_dim,
                attention_downsample_rate=shape.attention_downsample_rate,
            ),
            iou_head_hidden_dim=shape.iou_head_hidden_dim,
        )
        self.obj_score_token = nn.Embedding(1, width)
        self.pred_obj_score_head = MLP(width, width, 1, 3)
        self.iou_prediction_head.sigmoid_output = True
        self.output_upscaling[1] = FastLayerNorm2d(width // 4)

    def _presence(self, hidden: Tensor) -> Tensor:
        return cast(Tensor, self.pred_obj_score_head(hidden[:, 1 + self.num_mask_tokens])[:, 0])

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
    """SAM 2.1 or EdgeTAM, with its memory if the weights have one.

    Args:
        config: configuration of the video model.
    """

    stretches = True
    image_encoder: Sam2ImageEncoder

    def __init__(self, config: VideoConfig) -> None:
        side = config.image_size
        super().__init__(
            Sam2ImageEncoder(config),
            Sam2PromptEncoder(
                config.prompt_encoder_config.hidden_size, (side // CELL,) * 2, (side, side), 16
            ),
            Sam2MaskDecoder(config),
        )
        self.memory = sam2_memory(config)

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), squares of the image size."""
        return cast(ImageFeatures, self.image_encoder(images))

    def without_memory(self, features: Tensor) -> Tensor:
        """Take what stands for missing memories away from an image embedding (B, C, h, w)."""
        return features - self.image_encoder.no_memory_embedding.view(1, -1, 1, 1).float()

    def leave_out_missing(self, names: Iterable[str]) -> None:
        """Drop the memory if the weights lack it, as those of single images do."""
        if not any(name.startswith("memory.") for name in names):
            self.memory = None
