"""HQ-SAM: a SAM with one more output token and features of its early layers, for finer contours.

The weights of SAM itself are as in Meta's file; what HQ-SAM adds to the mask decoder keeps its
names, so its state dicts load unchanged.
Source: Ke et al., "Segment Anything in High Quality", NeurIPS 2023.
"""

from typing import cast

import torch
from torch import Tensor, nn

from persam_video.sam.decoder import FastLayerNorm2d, GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.modules import MLP
from persam_video.sam.network import ImageFeatures, Sam, normalised
from persam_video.sam.tiny_vit import TinyVitImageEncoder
from persam_video.sam.vit import FusedImageEncoderViT

HQ_TOKEN = "mask_decoder.hf_token.weight"
"""Name of a tensor that only HQ-SAM's state dicts have."""


class HqMaskDecoder(GuidedMaskDecoder):
    """The guided decoder with HQ-SAM's token, whose logits are added to those of every mask.

    HQ-SAM adds them to the mask that it returns, the single one or the best of the others; so
    whichever mask is taken here is what HQ-SAM would return.

    Args:
        transformer_dim: channels of the image embedding.
        transformer: a ``GuidedTwoWayTransformer``.
        early_dim: channels of the image encoder's early features.
    """

    def __init__(
        self, transformer_dim: int, transformer: GuidedTwoWayTransformer, early_dim: int
    ) -> None:
        super().__init__(transformer_dim, transformer)
        half, quarter = transformer_dim // 4, transformer_dim // 8
        self.hf_token = nn.Embedding(1, transformer_dim)
        self.hf_mlp = MLP(transformer_dim, transformer_dim, quarter, 3)
        self.compress_vit_feat = _upscaling(early_dim, transformer_dim, quarter)
        self.embedding_encoder = _upscaling(transformer_dim, half, quarter)
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(quarter, half, 3, padding=1),
            FastLayerNorm2d(half),
            nn.GELU(),
            nn.Conv2d(half, quarter, 3, padding=1),
        )

    def fine_features(self, embedding: Tensor, early: Tensor) -> Tensor:
        """Combine the image embedding and early features (B, C, h, w) as (B, C/8, 4h, 4w)."""
        return cast(Tensor, self.embedding_encoder(embedding) + self.compress_vit_feat(early))

    def _output_tokens(self) -> Tensor:
        return torch.cat([super()._output_tokens(), self.hf_token.weight])

    def _mask_weights(self, hidden: Tensor) -> Tensor:
        masks = super()._mask_weights(hidden)
        fine = self.hf_mlp(hidden[:, 1 + self.num_mask_tokens])
        # a sum of two products is one product of what is concatenated
        return torch.cat([masks, fine[:, None].expand_as(masks)], dim=2)

    def _upscale(self, source: Tensor, skips: tuple[Tensor, ...] | None) -> Tensor:
        if skips is None:
            raise ValueError("HQ-SAM's decoder needs the fine features of the image")
        upscaled = super()._upscale(source, None)
        fine = self.embedding_maskfeature(upscaled) + skips[0]
        return torch.cat([upscaled, fine], dim=1)


def _upscaling(channels: int, hidden: int, out: int) -> nn.Sequential:
    """Upscale four times, with segment-anything's way of doing so."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels, hidden, 2, stride=2),
        FastLayerNorm2d(hidden),
        nn.GELU(),
        nn.ConvTranspose2d(hidden, out, 2, stride=2),
    )


class HqSam(Sam):
    """HQ-SAM; its fine features are the one skip of an image.

    Args:
        image_encoder: a ViT or TinyViT.
        prompt_encoder: segment-anything's.
        mask_decoder: HQ-SAM's.
    """

    image_encoder: FusedImageEncoderViT | TinyVitImageEncoder
    mask_decoder: HqMaskDecoder

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W)."""
        embedding, early = self.image_encoder.with_early_features(images)
        fine = self.mask_decoder.fine_features(embedding, early)
        return ImageFeatures(embedding, normalised(embedding), (fine,))
