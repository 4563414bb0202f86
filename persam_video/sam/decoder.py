"""SAM's mask decoder, with hooks for PerSAM's guidance and for the embedded model.

The classes subclass segment-anything's, add no parameter unless asked to and rename none, so Meta's
state dicts load unchanged. Three optional inputs change what they compute:

* ``attention_bias``: PerSAM's target-guided attention (TGA),
* ``target_embedding``: PerSAM's target-semantic prompting (TSP),
* ``skips``: high-resolution features added while the mask is upscaled, as in HQ-SAM and SAM 2; only
  the embedded model and SAM 2.1 have the weights for them.

Without any of them, the result is that of segment-anything.
Source: Zhang et al., "Personalize Segment Anything Model with One Shot", ICLR 2024, section 3.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from persam_video.sam.modules import (
    Attention,
    LayerNorm2d,
    MaskDecoder,
    TwoWayAttentionBlock,
    TwoWayTransformer,
)

Window: TypeAlias = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in cells of the image embedding, exclusive ends."""

_ENLARGED = 1.25
"""How much larger an area may become to have the size of another one."""

OUTSIDE_WINDOW = -1.0
"""Upper limit of the logits outside a window, which are certainly not the object."""


class GuidedAttention(Attention):  # type: ignore[misc]
    """Multi-head attention whose weights can be biased towards the target."""

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, attention_bias: Tensor | None = None
    ) -> Tensor:
        """Attend from ``q`` to ``k`` and ``v``.

        Args:
            q: (B, Nq, C) queries.
            k: (B, Nk, C) keys.
            v: (B, Nk, C) values.
            attention_bias: (B or 1, 1, 1, Nk), values 0 to 1, or ``None``. It is added after the
                softmax and a second softmax follows, as PerSAM defines it.

        Returns:
            (B, Nq, C) attended values.
        """
        if self.num_heads * q.shape[1] < min(self.internal_dim, k.shape[1]):
            return self._few_queries(q, k, v, attention_bias)
        if self.num_heads * k.shape[1] < min(self.internal_dim, q.shape[1]) and (
            attention_bias is None
        ):
            return self._few_keys(q, k, v)
        return self._plain(q, k, v, attention_bias)

    def _plain(self, q: Tensor, k: Tensor, v: Tensor, attention_bias: Tensor | None) -> Tensor:
        q = self._separate_heads(self.q_proj(q), self.num_heads)
        k = self._separate_heads(self.k_proj(k), self.num_heads)
        v = self._separate_heads(self.v_proj(v), self.num_heads)
        # few queries or few keys: plain products beat the fused kernel, above all in the backward
        # pass
        weights = _weights(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, attention_bias)
        return cast(Tensor, self.out_proj(self._recombine_heads(weights.to(v.dtype) @ v)))

    def _few_queries(
        self, q: Tensor, k: Tensor, v: Tensor, attention_bias: Tensor | None
    ) -> Tensor:
        """Project the queries to the keys' channels, instead of all keys and values to the heads'.

        The bias of the key projection adds the same to all logits of a query, which softmax
        ignores; that of the value projection passes unchanged, since the weights sum to one.
        """
        batch, count, _ = q.shape
        heads = self.num_heads
        rows = self._by_head(self.k_proj.weight)
        asked = torch.einsum("bnhd,hdc->bhnc", self.q_proj(q).view(batch, count, heads, -1), rows)
        logits = (asked / rows.shape[1] ** 0.5).flatten(1, 2) @ k.transpose(1, 2)
        weights = _weights(logits.view(batch, heads, count, -1), attention_bias).to(v.dtype)
        found = (weights.flatten(1, 2) @ v).view(batch, heads, count, -1)
        out = torch.einsum("bhnc,hdc->bnhd", found, self._by_head(self.v_proj.weight))
        return cast(Tensor, self.out_proj(out.flatten(2) + self.v_proj.bias))

    def _few_keys(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Project keys and values to the queries' channels, not all queries to the heads'."""
        batch, count, _ = k.shape
        heads = self.num_heads
        keys, values = (
            project(x).view(batch, count, heads, -1)
            for project, x in ((self.k_proj, k), (self.v_proj, v))
        )
        keys = keys / keys.shape[-1] ** 0.5
        asked = torch.einsum("bnhd,hdc->bhnc", keys, self._by_head(self.q_proj.weight))
        bias = torch.einsum("bnhd,hd->bhn", keys, self.q_proj.bias.view(heads, -1))
        # queries come last, as the softmax does not run over them
        logits = torch.baddbmm(bias.flatten(1)[..., None], asked.flatten(1, 2), q.transpose(1, 2))
        weights = torch.softmax(logits.view(batch, heads, count, -1), dim=2).to(v.dtype)
        columns = self.out_proj.weight.view(-1, heads, keys.shape[-1])
        # the weights of each head sum to one, and so the heads' shares of the bias to all of it
        share = self.out_proj.bias / heads
        given = (torch.einsum("bnhd,chd->bhnc", values, columns) + share).flatten(1, 2)
        return cast(Tensor, weights.flatten(1, 2).transpose(1, 2) @ given)

    def _by_head(self, weight: Tensor) -> Tensor:
        """Return a projection's weight (H * D, C) as (H, D, C)."""
        return weight.view(self.num_heads, -1, weight.shape[1])


def _weights(logits: Tensor, attention_bias: Tensor | None) -> Tensor:
    weights = torch.softmax(logits, dim=-1)
    if attention_bias is None:
        return weights
    return torch.softmax(weights + attention_bias, dim=-1)


class GuidedTwoWayBlock(TwoWayAttentionBlock):  # type: ignore[misc]
    """One layer of the two-way transformer with guided token-to-image attention."""

    def __init__(
        self,
        embedding_dim: int,
        num_heads: int,
        mlp_dim: int,
        activation: type[nn.Module] = nn.ReLU,
        attention_downsample_rate: int = 2,
        skip_first_layer_pe: bool = False,
    ) -> None:
        super().__init__(
            embedding_dim,
            num_heads,
            mlp_dim,
            activation,
            attention_downsample_rate,
            skip_first_layer_pe,
        )
        rate = attention_downsample_rate
        self.self_attn = GuidedAttention(embedding_dim, num_heads)
        self.cross_attn_token_to_image = GuidedAttention(embedding_dim, num_heads, rate)
        self.cross_attn_image_to_token = GuidedAttention(embedding_dim, num_heads, rate)

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        query_pe: Tensor,
        key_pe: Tensor,
        attention_bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Update tokens (B, Nt, C) and image tokens (B, Ni, C) by attending to each other."""
        if self.skip_first_layer_pe:
            queries = self.self_attn(q=queries, k=queries, v=queries)
        else:
            q = queries + query_pe
            queries = queries + self.self_attn(q=q, k=q, v=queries)
        queries = self.norm1(queries)

        k = keys + key_pe
        queries = queries + self.cross_attn_token_to_image(
            q=queries + query_pe, k=k, v=keys, attention_bias=attention_bias
        )
        queries = self.norm2(queries)
        queries = self.norm3(queries + self.mlp(queries))

        keys = keys + self.cross_attn_image_to_token(q=k, k=queries + query_pe, v=queries)
        return queries, self.norm4(keys)


class GuidedTwoWayTransformer(TwoWayTransformer):  # type: ignore[misc]
    """segment-anything's two-way transformer with PerSAM's two ways of guidance.

    Args:
        depth: number of layers.
        embedding_dim: channels of the tokens.
        num_heads: attention heads; they divide ``embedding_dim``.
        mlp_dim: channels inside the layers' MLP.
        activation: activation of that MLP.
        attention_downsample_rate: factor by which the cross-attention is narrower.
    """

    def __init__(
        self,
        depth: int,
        embedding_dim: int,
        num_heads: int,
        mlp_dim: int,
        activation: type[nn.Module] = nn.ReLU,
        attention_downsample_rate: int = 2,
    ) -> None:
        super().__init__(
            depth, embedding_dim, num_heads, mlp_dim, activation, attention_downsample_rate
        )
        self.layers = nn.ModuleList(
            GuidedTwoWayBlock(
                embedding_dim,
                num_heads,
                mlp_dim,
                activation,
                attention_downsample_rate,
                skip_first_layer_pe=layer == 0,
            )
            for layer in range(depth)
        )
        self.final_attn_token_to_image = GuidedAttention(
            embedding_dim, num_heads, attention_downsample_rate
        )

    def forward(
        self,
        image_embedding: Tensor,
        image_pe: Tensor,
        point_embedding: Tensor,
        attention_bias: Tensor | None = None,
        target_embedding: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run the layers and the last token-to-image attention.

        Args:
            image_embedding: (B, C, h, w), with the dense prompt added.
            image_pe: (1 or B, C, h, w) positional encoding.
            point_embedding: (B, Nt, C) output tokens and sparse prompts.
            attention_bias: see ``GuidedAttention``, over the h*w image tokens.
            target_embedding: (B or 1, 1, C), or ``None``.

        Returns:
            Tokens (B, Nt, C) and image tokens (B, h*w, C).
        """
        # from any memory layout, each image token lies in one piece
        keys, key_pe = (x.permute(0, 2, 3, 1).flatten(1, 2) for x in (image_embedding, image_pe))
        queries, query_pe = point_embedding, point_embedding
        if target_embedding is not None:
            # PerSAM adds the target to the first layer's queries in place, on the tensor that also
            # serves as the queries' positional encoding, so that every later use includes it.
            queries = query_pe = point_embedding + target_embedding
        for depth, layer in enumerate(self.layers):
            if target_embedding is not None and depth > 0:
                queries = queries + target_embedding
            queries, keys = layer(queries, keys, query_pe, key_pe, attention_bias)

        q = queries + query_pe
        if target_embedding is not None:
            q = q + target_embedding
        # PerSAM biases only the attention inside the layers, not this last one
        attended = self.final_attn_token_to_image(q=q, k=keys + key_pe, v=keys)
        return self.norm_final_attn(queries + attended), keys


@dataclass(frozen=True)
class Decoded:
    """Output of the mask decoder for a batch of prompts.

    Attributes:
        masks: (B, 1 + M, 4h, 4w) mask logits, the single mask first.
        iou: (B, 1 + M) predicted IoU.
        tokens: (B, 1 + M, C) what each mask's token became.
        presence: (B,) logit of the object's being in sight, if the decoder predicts it.
    """

    masks: Tensor
    iou: Tensor
    tokens: Tensor
    presence: Tensor | None


class GuidedMaskDecoder(MaskDecoder):  # type: ignore[misc]
    """SAM's mask decoder with PerSAM's guidance and, optionally, high-resolution skips.

    Args:
        transformer_dim: channels of the image embedding.
        transformer: a ``GuidedTwoWayTransformer``.
        high_resolution: add the convolutions that mix skips into the upscaling.
        iou_head_hidden_dim: width of the head that predicts each mask's IoU.
        iou_head_depth: layers of that head.
        num_multimask_outputs: masks besides the single one.
    """

    def __init__(
        self,
        transformer_dim: int,
        transformer: GuidedTwoWayTransformer,
        *,
        high_resolution: bool = False,
        iou_head_hidden_dim: int = 256,
        iou_head_depth: int = 3,
        num_multimask_outputs: int = 3,
    ) -> None:
        super().__init__(
            transformer_dim=transformer_dim,
            transformer=transformer,
            num_multimask_outputs=num_multimask_outputs,
            iou_head_depth=iou_head_depth,
            iou_head_hidden_dim=iou_head_hidden_dim,
        )
        self.mix_skips: nn.ModuleList | None = None
        if high_resolution:
            self.mix_skips = nn.ModuleList(
                nn.Conv2d(channels, channels, 3, padding=1)
                for channels in (transformer_dim // 4, transformer_dim // 8)
            )

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        *,
        attention_bias: Tensor | None = None,
        target_embedding: Tensor | None = None,
        skips: tuple[Tensor, ...] | None = None,
        windows: Sequence[Window] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Predict all masks of a batch of prompts; see ``decode``.

        Returns:
            Mask logits (B, 1 + M, 4h, 4w), the single mask first, and predicted IoU (B, 1 + M).
        """
        decoded = self.decode(
            image_embeddings,
            image_pe,
            sparse_prompt_embeddings,
            dense_prompt_embeddings,
            attention_bias=attention_bias,
            target_embedding=target_embedding,
            skips=skips,
            windows=windows,
        )
        return decoded.masks, decoded.iou

    def decode(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        *,
        attention_bias: Tensor | None = None,
        target_embedding: Tensor | None = None,
        skips: tuple[Tensor, ...] | None = None,
        windows: Sequence[Window] | None = None,
    ) -> Decoded:
        """Predict all masks of a batch of prompts, and what is known beside them.

        Args:
            image_embeddings: (1 or B, C, h, w).
            image_pe: (1, C, h, w).
            sparse_prompt_embeddings: (B, Np, C) points and boxes.
            dense_prompt_embeddings: (B, C, h, w) mask prompts.
            attention_bias: (B or 1, 1, 1, h*w) for target-guided attention.
            target_embedding: (B or 1, 1, C) for target-semantic prompting.
            skips: features of a higher resolution, a multiple of h and w, that the decoder
                takes; for this one (1, C/4, 2h, 2w) and (1, C/8, 4h, 4w).
            windows: for each prompt, the cells in which its masks are computed; by default all.
        """
        batch = sparse_prompt_embeddings.shape[0]
        output_tokens = self._output_tokens()
        tokens = torch.cat(
            (output_tokens.expand(batch, -1, -1), sparse_prompt_embeddings.to(output_tokens.dtype)),
            dim=1,
        )
        source = image_embeddings + dense_prompt_embeddings
        _, channels, height, width = source.shape
        hidden, keys = self.transformer(source, image_pe, tokens, attention_bias, target_embedding)
        source = keys.transpose(1, 2).reshape(batch, channels, height, width)

        hyper = self._mask_weights(hidden)
        if windows is None:
            upscaled = self._upscale(source, skips)
            masks = (hyper @ upscaled.flatten(2)).view(batch, -1, *upscaled.shape[-2:])
        else:
            masks = hyper.new_empty((*hyper.shape[:2], 4 * height, 4 * width))
            for areas in batches_of(windows, (height, width)):
                self._fill(masks, areas, windows, source, hyper, skips)
        return Decoded(
            masks,
            self.iou_prediction_head(hidden[:, 0]),
            hidden[:, 1 : 1 + self.num_mask_tokens],
            self._presence(hidden),
        )

    def _presence(self, hidden: Tensor) -> Tensor | None:
        """Return the logits (B,) of the objects' being in sight; ``None`` if not predicted."""
        return None

    def _output_tokens(self) -> Tensor:
        """Return the learned tokens (T, C): that of the predicted IoU, those of the masks."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def _mask_weights(self, hidden: Tensor) -> Tensor:
        """Return each mask's weights (B, 1 + M, D) of the upscaled features, D channels."""
        return torch.stack(
            [mlp(hidden[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )

    def _fill(
        self,
        masks: Tensor,
        areas: Mapping[int, Window],
        windows: Sequence[Window],
        source: Tensor,
        hyper: Tensor,
        skips: tuple[Tensor, ...] | None,
    ) -> None:
        """Compute some of the masks (B, 1 + M, 4h, 4w), in areas of one size by their numbers.

        Outside, the mean of the window's border is continued, so that a mask that is fed back as a
        prompt looks like a complete one.
        """
        height = source.shape[2]

        def cut(features: Tensor) -> Tensor:
            scale, last = features.shape[2] // height, features.permute(0, 2, 3, 1)
            parts = [
                last[n % len(last), y0 * scale : y1 * scale, x0 * scale : x1 * scale]
                for n, (x0, y0, x1, y1) in areas.items()
            ]
            several = parts[0][None] if len(parts) == 1 else torch.stack(parts)
            return several.permute(0, 3, 1, 2)

        near = None if skips is None else tuple(map(cut, skips))
        upscaled = self._upscale(cut(source), near).permute(0, 2, 3, 1)  # as it lies in memory
        logits = (upscaled.flatten(1, 2) @ hyper[list(areas)].mT).mT
        logits = logits.reshape(*logits.shape[:2], *upscaled.shape[1:3])
        for found, (number, area) in zip(logits, areas.items(), strict=True):
            x0, y0, x1, y1 = (4 * end for end in windows[number])
            left, top = 4 * area[0], 4 * area[1]
            inside = found[:, y0 - top : y1 - top, x0 - left : x1 - left]
            border = [inside[:, [0, -1]].flatten(1), inside[:, :, [0, -1]].flatten(1)]
            outside = torch.cat(border, dim=1).mean(dim=1).clamp(max=OUTSIDE_WINDOW)
            masks[number] = outside[:, None, None]
            masks[number, :, y0:y1, x0:x1] = inside

    def _upscale(self, source: Tensor, skips: tuple[Tensor, ...] | None) -> Tensor:
        if self.mix_skips is None or skips is None:
            return cast(Tensor, self.output_upscaling(source))
        expand_half, norm, activation, expand_quarter, last_activation = self.output_upscaling
        x = expand_half(source) + skips[0]
        x = activation(norm(x + self.mix_skips[0](x)))
        x = expand_quarter(x) + skips[1]
        return cast(Tensor, last_activation(x + self.mix_skips[1](x)))


def batches_of(windows: Sequence[Window], grid: tuple[int, int]) -> list[dict[int, Window]]:
    """Divide windows into batches, as many small convolutions take longer than a few large ones.

    Args:
        windows: cells of which masks are wanted.
        grid: height and width in cells.

    Returns:
        For each batch, the areas of its windows by their numbers, all of one size. An area holds
        what the convolutions in a window look at, one more cell on each side within the grid, and
        where that gives it the size of another one, a little more.
    """
    height, width = grid
    sizes = [(min(x1 - x0 + 2, width), min(y1 - y0 + 2, height)) for x0, y0, x1, y1 in windows]
    batches: dict[tuple[int, int], dict[int, Window]] = {}
    for number, (w, h) in enumerate(sizes):
        fitting = [(a, d) for a, d in sizes if a >= w and d >= h and a * d <= _ENLARGED * w * h]
        across, down = max(fitting, key=lambda size: (size[0] * size[1], size))
        left = min(max(windows[number][0] - 1, 0), width - across)
        top = min(max(windows[number][1] - 1, 0), height - down)
        area = (left, top, left + across, top + down)
        batches.setdefault((across, down), {})[number] = area
    return list(batches.values())


class FastLayerNorm2d(LayerNorm2d):  # type: ignore[misc]
    """segment-anything's LayerNorm2d computed by the fused kernel on a channels-last view."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) over C."""
        last = x.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], self.weight, self.bias, self.eps).permute(
            0, 3, 1, 2
        )
