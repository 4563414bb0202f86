"""MobileSAM's image encoder: a TinyViT whose last stage keeps the resolution, and SAM's neck.

TinyViT has a convolutional stem and first stage, then three stages of windowed attention, each
block with a depthwise convolution between its attention and its MLP. Where two stages meet, the
resolution halves; MobileSAM leaves out the last halving, so that a cell of the embedding covers 16
pixels as in SAM. The batch norms are folded into the convolutions before them.

The parameters have MobileSAM's names, except for batch norms and the unused classifier
(``persam_video.sam.layouts`` folds and drops them).

Sources: Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision Transformers",
ECCV 2022; Zhang et al., "Faster Segment Anything: Towards Lightweight SAM for Mobile Applications",
2023.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from persam_video.sam.modules import LayerNorm2d
from persam_video.sam.registry import TinyVitDimensions

_EXPANSION = 4
"""Expansion ratio of inverted bottlenecks and MLPs."""


class _Stem(nn.Module):
    """Two strided convolutions, which reduce the image to a quarter of its resolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.seq(x))


class _InvertedBottleneck(nn.Module):
    """MobileNetV2's block with GELU, and another GELU after the shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = width * _EXPANSION
        self.conv1 = nn.Conv2d(width, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.conv3 = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(hidden))


class _Downsample(nn.Module):
    """Change the width, and the resolution by ``stride``, with a depthwise convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, padding=1, groups=outputs)
        self.conv3 = nn.Conv2d(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x))))))


class _WindowAttention(nn.Module):
    """Multi-head attention inside windows, with a learned bias for each distance of two tokens."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to the same shape."""
        batch, height, width, channels = x.shape
        side = self.window
        # padding takes part as zero tokens, as it did in training
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        windows = x.view(batch, rows, side, columns, side, channels).transpose(2, 3)
        tokens = windows.reshape(-1, side * side, channels)

        # each head's query, key and value lie next to each other
        qkv = self.qkv(self.norm(tokens)).view(*tokens.shape[:2], self.heads, 3, -1)
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=self._bias())
        tokens = self.proj(attended.transpose(1, 2).flatten(2))

        windows = tokens.view(batch, rows, columns, side, side, channels).transpose(2, 3)
        joined: Tensor = windows.reshape(batch, rows * side, columns * side, channels)
        return joined[:, :height, :width]

    def _bias(self) -> Tensor:
        """Spread the biases, one for each (rows apart, columns apart), over all pairs of tokens."""
        along = torch.arange(self.window, device=self.attention_biases.device)
        apart = (along[:, None] - along[None, :]).abs()
        index = apart[:, None, :, None] * self.window + apart[None, :, None, :]
        return self.attention_biases[:, index.flatten(2).flatten(0, 1)]


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, width * _EXPANSION)
        self.fc2 = nn.Linear(width * _EXPANSION, width)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc2(F.gelu(self.fc1(self.norm(x)))))


class _AttentionBlock(nn.Module):
    """Windowed attention, a depthwise convolution that joins the windows, and an MLP."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn = _WindowAttention(width, heads, window)
        self.local_conv = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.mlp = _Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = x + self.attn(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local_conv(x)
        return x + cast(Tensor, self.mlp(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class _Stage(nn.Module):
    def __init__(self, blocks: list[nn.Module], downsample: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(x)
        return x if self.downsample is None else cast(Tensor, self.downsample(x))


class TinyVitImageEncoder(nn.Module):
    """TinyViT with SAM's neck.

    Args:
        dimensions: of the four stages.
        embed_dim: channels of the image embedding.
    """

    def __init__(self, dimensions: TinyVitDimensions, embed_dim: int = 256) -> None:
        super().__init__()
        widths = dimensions.widths
        self.patch_embed = _Stem(widths[0])
        downsamples = (
            _Downsample(widths[0], widths[1], stride=2),
            _Downsample(widths[1], widths[2], stride=2),
            _Downsample(widths[2], widths[3], stride=1),
            None,
        )
        stages = []
        for index, (width, depth) in enumerate(zip(widths, dimensions.depths, strict=True)):
            heads, window = dimensions.heads[index], dimensions.windows[index]
            blocks: list[nn.Module] = [
                _InvertedBottleneck(width) if index == 0 else _AttentionBlock(width, heads, window)
                for _ in range(depth)
            ]
            stages.append(_Stage(blocks, downsamples[index]))
        self.layers = nn.Sequential(*stages)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[3], embed_dim, 1, bias=False),
            LayerNorm2d(embed_dim),
            nn.Conv2d(embed_dim, embed_dim, 3, padding=1, bias=False),
            LayerNorm2d(embed_dim),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Encode normalised RGB images (B, 3, H, W) as (B, embed_dim, H/16, W/16)."""
        return self.with_early_features(images)[0]

    def with_early_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Encode as ``forward`` does, and return what the second stage gives, too.

        Args:
            images: normalised RGB images (B, 3, H, W).

        Returns:
            (B, embed_dim, H/16, W/16), and (B, widths[2], H/16, W/16) of the second stage.
        """
        early = self.layers[:2](self.patch_embed(images))
        return self.neck(self.layers[2:](early)), early
