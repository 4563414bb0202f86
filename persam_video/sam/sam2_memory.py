"""SAM 2's memory: transformers' modules that make memories of frames and attend to them.

A remembered frame is a set of spatial tokens, made from its features and a mask, and the object
pointer, made from the mask decoder's output token and split into tokens of the same width. The
features of a new frame attend to the tokens of remembered frames. EdgeTAM resamples a frame's
spatial tokens to fewer of them.

Sources: Ravi et al., "SAM 2: Segment Anything in Images and Videos", ICLR 2025; Zhou et al.,
"EdgeTAM: On-Device Track Anything Model", CVPR 2025.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from persam_video.sam.sam2_config import EDGETAM, VideoConfig


class Sam2Memory(nn.Module):
    """Makes memories of frames and reads them, with the names of transformers' state dicts.

    Args:
        config: configuration of the video model.

    Attributes:
        frames: most remembered frames, besides the annotated one, whose spatial tokens are read.
        pointers: most remembered frames, besides the annotated one, whose pointers are read.
    """

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        from transformers.models.sam2_video import (  # noqa: PLC0415
            modeling_sam2_video as parts,
        )

        self.frames = config.num_maskmem - 1
        self.pointers = config.max_object_pointers_in_encoder - 1
        self.width = config.vision_config.fpn_hidden_size
        self.token_width = config.memory_encoder_output_channels
        self._scale = config.sigmoid_scale_for_mem_enc
        self._bias = config.sigmoid_bias_for_mem_enc
        self._sine = parts.get_1d_sine_pe
        self._places: Tensor | None = None
        self.grid_position = parts.Sam2VideoPositionEmbeddingSine(self.width // 2, normalize=True)
        self._build_attention(config)
        self.memory_temporal_positional_encoding = nn.Parameter(
            torch.zeros(config.num_maskmem, 1, 1, self.token_width)
        )
        self.no_object_pointer = nn.Parameter(torch.zeros(1, self.width))
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.object_pointer_proj = parts.Sam2VideoFeedForward(self.width, self.width, self.width, 3)
        self.temporal_positional_encoding_projection_layer = nn.Linear(self.width, self.token_width)
        self.occlusion_spatial_embedding_parameter = nn.Parameter(torch.zeros(1, self.token_width))

    def _build_attention(self, config: VideoConfig) -> None:
        from transformers.models.sam2_video import (  # noqa: PLC0415
            modeling_sam2_video as parts,
        )

        self.memory_attention = parts.Sam2VideoMemoryAttention(config)
        self.memory_encoder = parts.Sam2VideoMemoryEncoder(config)

    def value_shape(self, grid: tuple[int, int]) -> tuple[int, int]:
        """Return the shape of a frame's memory of one object: spatial tokens, then the pointer."""
        return self._spatial_tokens(grid) + self.width // self.token_width, self.token_width

    def _spatial_tokens(self, grid: tuple[int, int]) -> int:
        return grid[0] * grid[1]

    def mask_prompt(self, shares: Tensor) -> Tensor:
        """Turn masks (N, 1, S, S), 0 to 1, into mask prompts (N, 1, S/4, S/4), logits."""
        return cast(Tensor, self.mask_downsample(shares.to(self.mask_downsample.weight.dtype)))

    def remember(
        self, features: Tensor, shares: Tensor, tokens: Tensor, present: Tensor, shown: Tensor
    ) -> Tensor:
        """Make a frame's memories of N objects.

        Args:
            features: (1, C, h, w) image embedding, without anything of other frames.
            shares: (N, 1, S, S) masks over the input, 0 to 1.
            tokens: (N, C) the mask decoder's output token of each mask.
            present: (N,) bool, whether the pointer is to show the object.
            shown: (N,) bool, whether the spatial tokens are to.

        Returns:
            (N, T, D), see ``value_shape``, in the precision of the weights.
        """
        dtype = self.no_object_pointer.dtype
        masks = shares.to(dtype) * self._scale + self._bias
        spatial, _ = self._encode(features.to(dtype).expand(len(masks), -1, -1, -1), masks, shown)
        pointer = torch.where(
            present[:, None],
            self.object_pointer_proj(tokens.to(dtype)),
            self.no_object_pointer,
        )
        return torch.cat([spatial, pointer.view(len(masks), -1, self.token_width)], dim=1)

    def _encode(self, features: Tensor, masks: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Return spatial tokens (N, T, D) and their positional encoding (N, T, D)."""
        found, places = self._fused(features, masks, shown)
        # SAM 2 keeps memories in 16 bits, whatever it computes in
        tokens = found.to(torch.bfloat16).to(found.dtype)
        return tokens.flatten(2).transpose(1, 2), places.flatten(2).transpose(1, 2)

    def _fused(self, features: Tensor, masks: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        found, places = self.memory_encoder(features, masks)
        hidden = self.occlusion_spatial_embedding_parameter[..., None, None]
        return found + ~shown[:, None, None, None] * hidden, places.to(found.dtype)

    def attend(
        self, features: Tensor, memories: Sequence[Tensor], pointers: Sequence[tuple[Tensor, int]]
    ) -> Tensor:
        """Let a frame's features attend to the memories of one object.

        Args:
            features: (1, C, h, w) image embedding, without anything of other frames.
            memories: (T, D) of the annotated frame, then of at most ``frames`` others, the oldest
                first.
            pointers: memories (T, D) whose pointers are read, and how many frames ago each was.

        Returns:
            (1, C, h, w), in the precision of the weights.
        """
        _, width, rows, columns = features.shape
        dtype = self.no_object_pointer.dtype
        flat = features.to(dtype).flatten(2).permute(2, 0, 1)
        position = self.grid_position(features.shape, features.device, dtype)
        count = self._spatial_tokens((rows, columns))
        # the annotated frame's encoding is the last, as if no frame had been longer ago
        ages = [-1, *range(len(memories) - 2, -1, -1)]
        temporal = self.memory_temporal_positional_encoding[ages].view(-1, 1, self.token_width)
        places = self._spatial_places(features.to(dtype)) + temporal
        split = width // self.token_width
        since = torch.tensor([float(age) for _, age in pointers], device=features.device) / float(
            self.pointers
        )
        sine = self._sine(since, dim=width).to(dtype)
        when = self.temporal_positional_encoding_projection_layer(sine)
        keys = [one[:count] for one in memories] + [one[count:] for one, _ in pointers]
        found = self.memory_attention(
            flat,
            torch.cat(keys)[:, None],
            position.flatten(2).permute(2, 0, 1),
            torch.cat([places.flatten(0, 1), when.repeat_interleave(split, dim=0)])[:, None],
            *self._counts(split * len(pointers), len(memories)),
        )
        return cast(Tensor, found.reshape(1, rows, columns, width).permute(0, 3, 1, 2))

    def _counts(self, pointer_tokens: int, frames: int) -> tuple[int, ...]:
        """Return what the attention has to be told of the tokens that it is given."""
        return (pointer_tokens,)

    def _spatial_places(self, features: Tensor) -> Tensor:
        """Return the positional encoding (T, D) of spatial tokens, the same for all frames."""
        if self._places is None or self._places.device != features.device:
            side = 16 * features.shape[2]
            masks = features.new_zeros(1, 1, side, side)
            shown = torch.ones(1, dtype=torch.bool, device=features.device)
            self._places = self._encode(features, masks, shown)[1][0]
        return self._places


class EdgeTamMemory(Sam2Memory):
    """EdgeTAM's memory: spatial tokens are resampled by latent ones."""

    def _build_attention(self, config: VideoConfig) -> None:
        from transformers.models.edgetam_video import (  # noqa: PLC0415
            modeling_edgetam_video as parts,
        )

        self.memory_attention = parts.EdgeTamVideoMemoryAttention(config)
        self.memory_encoder = parts.EdgeTamVideoMemoryEncoder(config)
        self.spatial_perceiver = parts.EdgeTamVideoPerceiverResampler(config)
        self._latents = (
            config.perceiver_resampler_num_latents + config.perceiver_resampler_num_latents_2d
        )

    def _spatial_tokens(self, grid: tuple[int, int]) -> int:
        return int(self._latents)

    def _encode(self, features: Tensor, masks: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        found, where = self._fused(features, masks, shown)
        # the resampler takes one object at a time
        ones = [slice(n, n + 1) for n in range(len(found))]
        resampled = [self.spatial_perceiver(found[one], where[one]) for one in ones]
        tokens, places = zip(*resampled, strict=True)
        return torch.cat(tokens), torch.cat(places)

    def _counts(self, pointer_tokens: int, frames: int) -> tuple[int, ...]:
        return pointer_tokens, frames


def sam2_memory(config: VideoConfig) -> Sam2Memory:
    """Build the memory of a video model, with random weights, on the CPU.

    Its modules compute some of their buffers when they are built, so it must not be built on the
    meta device.
    """
    kind = EdgeTamMemory if config.model_type == EDGETAM else Sam2Memory
    with torch.device("cpu"):
        return kind(config).float()
