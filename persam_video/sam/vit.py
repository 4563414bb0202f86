"""segment-anything's image encoder, computed faster on the same weights.

The classes subclass segment-anything's and rename no parameter, so Meta's state dicts load
unchanged. The result differs only by rounding. What makes it faster:

* the matrix of all attention weights, 0.8 GB in each global block of ViT-B in fp32, is never
  materialised as a whole;
* the relative position is the sum of a bias for the row and one for the column of the key. In 16
  bits on a GPU, where matrix products are cheapest, and in windows, both are appended to the query,
  and one-hot codes of the row and column to the key, so that one product gives the biased logits.
  Elsewhere wider products would cost more than the bias itself: it is added as a mask of a few MiB
  at a time;
* the fused kernel computes the attention in fp32 and on GPUs. In 16 bits on a CPU, two plain
  products and an exponential take a quarter of its time;
* windows are partitioned after the projection to queries, keys and values, so that their padding, a
  fifth of all tokens, is not projected: its projection is known to be the bias.

Sources: Kirillov et al., "Segment Anything", ICCV 2023; Li et al., "MViTv2", CVPR 2022 (decomposed
relative position).
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from persam_video.sam.convolutions import fused_linear, pack_linear
from persam_video.sam.modules import ImageEncoderViT, ViTAttention, get_rel_pos

_LOGITS = 2**21
"""Number of logits or biases in memory at a time: 8 MiB of fp32, which fit into a cache."""

_LOG2_E = math.log2(math.e)

_SAMPLE = 13
"""Least number of keys, where there are as many, that tell about how high a query's logits are."""


class FusedAttention(ViTAttention):  # type: ignore[misc]
    """Multi-head attention with decomposed relative position, over windows or over everything."""

    def forward(self, x: Tensor, window: int = 0) -> Tensor:
        """Attend among the tokens of each window.

        Args:
            x: (B, H, W, C) tokens.
            window: side of the windows in tokens; 0 for global attention.

        Returns:
            (B, H, W, C).
        """
        batch, height, width, channels = x.shape
        rows, columns = (window, window) if window else (height, width)
        qkv = self._pad(fused_linear(x, self.qkv), (-height % rows, -width % columns))
        down, across = qkv.shape[1] // rows, qkv.shape[2] // columns
        heads = self.num_heads
        split = qkv.view(batch, down, rows, across, columns, 3, heads, channels // heads)
        parts = split.permute(5, 0, 1, 3, 6, 2, 4, 7).flatten(1, 4).flatten(2, 3)
        q, k, v = parts.contiguous().unbind(0)

        attended = self._attend(q, k, v, (rows, columns))
        joined = attended.view(batch, down, across, heads, rows, columns, -1)
        joined = joined.permute(0, 1, 4, 2, 5, 3, 6).reshape(*qkv.shape[:3], channels)
        return fused_linear(joined[:, :height, :width], self.proj)

    def _pad(self, qkv: Tensor, amount: tuple[int, int]) -> Tensor:
        """Pad at the bottom and at the right with the projection of a zero token."""
        bottom, right = amount
        if not (bottom or right):
            return qkv
        height, width = qkv.shape[1:3]
        padded = F.pad(qkv, (0, 0, 0, right, 0, bottom))
        if self.qkv.bias is not None:
            padded[:, height:] = self.qkv.bias
            padded[:, :, width:] = self.qkv.bias
        return padded

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int]) -> Tensor:
        """Attend in G windows and heads: (G, L, D) each, of ``size`` rows and columns of tokens."""
        if not self.use_rel_pos:
            return _fused(q, k, v, None, self.scale)
        by_row, by_column = self._biases(q, size)
        if q.element_size() > 2:
            return _masked_attention(q, k, v, by_row, by_column, self.scale)
        attend = _by_products if q.device.type == "cpu" else _folded_attention
        return attend(q, k, v, by_row, by_column, self.scale)

    def _biases(self, q: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return each query's bias for the keys of a row (G, L, rows) and of a column."""
        rows, columns = size
        tokens = q.view(len(q), rows, columns, -1)
        row_table = get_rel_pos(rows, rows, self.rel_pos_h)
        column_table = get_rel_pos(columns, columns, self.rel_pos_w)
        by_row = torch.einsum("grcd,rkd->grck", tokens, row_table)
        by_column = torch.einsum("grcd,ckd->grck", tokens, column_table)
        return by_row.flatten(1, 2), by_column.flatten(1, 2)


def _masked_attention(
    q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor, scale: float
) -> Tensor:
    """Add the biases as a mask, a few queries or a few windows at a time.

    The kernel adds a mask of float32 to logits of float32 in 16 bits, too, so that no bias is
    rounded any further.
    """
    exact = torch.promote_types(q.dtype, torch.float32)
    by_row, by_column = by_row.to(exact), by_column.to(exact)
    count, length = q.shape[:2]
    group = max(1, _LOGITS // length**2)
    span = min(length, max(1, _LOGITS // length))
    pieces = []
    for first in range(0, count, group):
        some = slice(first, first + group)
        for begin in range(0, length, span):
            part = some, slice(begin, begin + span)
            mask = (by_row[part][..., None] + by_column[part][..., None, :]).flatten(2)
            pieces.append(_fused(q[part], k[some], v[some], mask, scale).flatten(0, 1))
    return torch.cat(pieces).view(q.shape)


def _folded(q: Tensor, k: Tensor, by_row: Tensor, by_column: Tensor) -> tuple[Tensor, Tensor]:
    """Append the biases to the queries, and one-hot rows and columns to the keys."""
    rows, columns = by_row.shape[2], by_column.shape[2]
    row_codes = torch.eye(rows, dtype=q.dtype, device=q.device).repeat_interleave(columns, dim=0)
    column_codes = torch.eye(columns, dtype=q.dtype, device=q.device).repeat(rows, 1)
    codes = torch.cat([row_codes, column_codes], dim=1).expand(len(k), -1, -1)
    return torch.cat([q, by_row, by_column], dim=2), torch.cat([k, codes], dim=2)


def _folded_attention(
    q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor, scale: float
) -> Tensor:
    """Let one product of the fused kernel add the biases."""
    queries, keys = _folded(q * scale, k, by_row, by_column)
    # kernels need widths divisible by 8, and values as wide as keys
    spare = -queries.shape[2] % 8
    queries, keys = F.pad(queries, (0, spare)), F.pad(keys, (0, spare))
    values = F.pad(v, (0, keys.shape[2] - v.shape[2]))
    return _fused(queries, keys, values, None, 1.0)[..., : v.shape[2]]


def _by_products(
    q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor, scale: float
) -> Tensor:
    """Attend by two products and an exponential, a few windows or a few queries at a time.

    The logits are rounded to 16 bits, so those that matter should be small: the highest one of a
    few keys is subtracted within the product, where one more channel costs next to nothing.
    """
    count, length, width = q.shape
    # powers of two take less time than of e
    q, by_row, by_column = q * (scale * _LOG2_E), by_row * _LOG2_E, by_column * _LOG2_E
    highest = _highest_of_some(q, k, by_row, by_column)
    q, k = torch.cat([q, -highest], dim=2), F.pad(k, (0, 1), value=1.0)
    if by_row.shape[2] + by_column.shape[2] < width:  # cheaper than a mask
        q, k = _folded(q, k, by_row, by_column)
        few = max(1, _LOGITS // length**2)
        windows = zip(*(torch.split(x, few) for x in (q, k, v)), strict=True)
        return torch.cat([_weighted(q @ k.transpose(1, 2), v) for q, k, v in windows])
    # bfloat16 is slow to add
    exact = torch.promote_types(q.dtype, torch.float32)
    rows, columns = by_row.to(exact), by_column.to(exact)
    attended, span = torch.empty_like(v), min(length, _LOGITS // length)
    # the same memory each time, as what a cache holds is quicker to write
    biases = rows.new_empty(span, rows.shape[2], columns.shape[2])
    room = q.new_empty(span, length)
    for one in range(count):
        for begin in range(0, length, span):
            part = one, slice(begin, begin + span)
            some = min(span, length - begin)
            torch.add(rows[part][..., None], columns[part][..., None, :], out=biases[:some])
            logits = room[:some].copy_(biases[:some].flatten(1))
            attended[part] = _weighted(logits.addmm_(q[part], k[one].T), v[one])
    return attended


def _weighted(logits: Tensor, values: Tensor) -> Tensor:
    """Return the means of values (..., K, D), weighted by powers of two of logits (..., Q, K).

    Logits of 0 and little more at most spare the softmax the search for the highest ones, and the
    division of all weights.
    """
    if logits.dtype is not torch.float16:  # which holds no large powers
        weights = logits.exp2()
        total = weights.sum(dim=-1, keepdim=True)
        if total.isfinite().all():
            return (weights @ values).div_(total)
    return torch.softmax(logits / _LOG2_E, dim=-1) @ values


def _highest_of_some(q: Tensor, k: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
    """Return the highest logit (G, L, 1) of each query with a few keys, along a diagonal."""
    columns = by_column.shape[2]
    side = min(by_row.shape[2], columns)
    step = max(1, side // _SAMPLE)
    biases = by_row[..., :side:step] + by_column[..., :side:step]
    some = k[:, : side * columns : step * (columns + 1)]
    logits = torch.baddbmm(biases, q, some.transpose(1, 2))
    return logits.amax(dim=2, keepdim=True)


def _fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Run the fused kernel on (G, L, D); it expects separate batch and head dimensions."""
    mask = None if mask is None else mask[None]
    return F.scaled_dot_product_attention(q[None], k[None], v[None], mask, scale=scale)[0]


class FusedImageEncoderViT(ImageEncoderViT):  # type: ignore[misc]
    """segment-anything's ViT encoder with fused attention; arguments and weights are its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        side = options["img_size"] // options["patch_size"]
        for block in self.blocks:
            plain, window = block.attn, block.window_size or side
            block.attn = FusedAttention(
                plain.proj.in_features,
                num_heads=plain.num_heads,
                qkv_bias=plain.qkv.bias is not None,
                use_rel_pos=plain.use_rel_pos,
                input_size=(window, window),
            )

    def pack(self) -> None:
        """Prepare the weights for inference on the CPU; they cannot be moved or saved any more."""
        tokens = (self.img_size // self.patch_embed.proj.stride[0]) ** 2
        for block in self.blocks:
            for layer in (block.attn.qkv, block.attn.proj, block.mlp.lin1, block.mlp.lin2):
                pack_linear(layer, tokens)

    def forward(self, x: Tensor) -> Tensor:
        """Encode normalised RGB images (B, 3, H, W) as (B, C, H/16, W/16)."""
        return self.with_early_features(x)[0]

    def with_early_features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encode as ``forward`` does, and return what the first global block gives, too.

        Args:
            x: normalised RGB images (B, 3, H, W).

        Returns:
            (B, C, H/16, W/16), and (B, width, H/16, W/16) of the transformer.
        """
        early = None
        # the convolution's order of dimensions would last, and each norm would copy its tokens
        x = self.patch_embed(x).contiguous()
        if self.pos_embed is not None:
            x = x + self.pos_embed
        for block in self.blocks:
            # not the block's own forward, which partitions windows before the projection
            x = x + block.attn(block.norm1(x), block.window_size)
            hidden = fused_linear(block.norm2(x), block.mlp.lin1, "gelu")
            x = x + fused_linear(hidden, block.mlp.lin2)
            if early is None and not block.window_size:
                early = x
        early = x if early is None else early
        return self.neck(x.permute(0, 3, 1, 2)), early.permute(0, 3, 1, 2)
