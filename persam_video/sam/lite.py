"""The embedded model: a small SAM whose image encoder is a MobileNetV2.

It has SAM's three parts (image encoder, prompt encoder, mask decoder with one plus three masks and
predicted IoU), so every prompt works on it, and three additions that make up for its size:

* the encoder is convolutional, so an image need not be padded to a square;
* high-resolution features enter the upscaling of the masks;
* a dense *matching prompt*: how similar each cell of the image is to the object and to its
  surroundings in remembered frames (``persam_video.persam.matching``).

Sources: Sandler et al., "MobileNetV2", CVPR 2018; Kirillov et al., "Segment Anything", ICCV 2023;
Voigtlaender et al., "FEELVOS", CVPR 2019 (matching as a soft cue).
"""

import copy
from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from persam_video.sam.convolutions import Activation, FusedConv2d, can_fuse
from persam_video.sam.decoder import FastLayerNorm2d, GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.inference import inference
from persam_video.sam.modules import PromptEncoder
from persam_video.sam.network import CELL, ImageFeatures, Sam, normalised
from persam_video.sam.readout import MemoryReadout


def _fused(conv: nn.Module, activation: Activation = "none") -> FusedConv2d:
    return FusedConv2d(cast(nn.Conv2d, conv), activation)


def _fuse_layers(layers: nn.Sequential) -> None:
    """Compute each convolution together with the GELU that may follow it."""
    following = [*list(layers)[1:], None]
    for index, (layer, after) in enumerate(zip(layers, following, strict=True)):
        if isinstance(layer, nn.Conv2d):
            activated = isinstance(after, nn.GELU)
            layers[index] = _fused(layer, "gelu" if activated else "none")
            if activated:
                layers[index + 1] = nn.Identity()


class InvertedResidual(nn.Module):
    """MobileNetV2's block with the batch norms folded into its convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand: nn.Module | None = None
        if expansion != 1:
            self.expand = nn.Conv2d(inputs, hidden, 1)
        self.depthwise: nn.Module = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden)
        self.activation: nn.Module = nn.ReLU6(inplace=True)
        self.project: nn.Module = nn.Conv2d(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        hidden = x if self.expand is None else self.activation(self.expand(x))
        out = cast(Tensor, self.project(self.activation(self.depthwise(hidden))))
        return x + out if self.residual else out

    def fuse(self) -> None:
        """Compute the activations along with the convolutions."""
        if self.expand is not None:
            self.expand = _fused(self.expand, "relu6")
        self.depthwise = _fused(self.depthwise, "relu6")
        self.activation = nn.Identity()
        self.project = _fused(self.project)


class MobileNetV2Features(nn.Module):
    """MobileNetV2 without its head, giving the features at strides 4, 8, 16 and 32."""

    channels = (24, 32, 96, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem: nn.Module = nn.Conv2d(3, 32, 3, 2, 1)
        self.activation: nn.Module = nn.ReLU6(inplace=True)
        # expansion, channels, repeats, stride: table 2 of the MobileNetV2 paper
        table = (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        )
        blocks: list[nn.Module] = []
        inputs = 32
        for expansion, channels, repeats, stride in table:
            for repeat in range(repeats):
                blocks.append(
                    InvertedResidual(inputs, channels, stride if repeat == 0 else 1, expansion)
                )
                inputs = channels
        self.blocks = nn.ModuleList(blocks)

    @torch.no_grad()
    def prepare_for_rounding(self) -> None:
        """Rewrite weights so that they survive rounding to 16 bits, without changing the function.

        The second block's expansion has biases of up to 2,000, folded in from its batch norm. Its
        input almost cancels them, so that rounding either to 16 bits loses the difference. The
        input is shifted so that the expansion's outputs are near zero, and the biases are adapted.
        """
        moved = self.get_parameter("blocks.0.project.bias")
        bias = self.get_parameter("blocks.1.expand.bias")
        weight = self.get_parameter("blocks.1.expand.weight")[:, :, 0, 0]
        shift = torch.linalg.lstsq(weight.double(), -bias.double()[:, None]).solution[:, 0]
        moved.sub_(shift)
        bias.add_(weight.double() @ shift)

    def fine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features at strides 4 (24 channels) and 8 (32 channels)."""
        x = self.activation(self.stem(x))
        for block in self.blocks[:3]:
            x = block(x)
        quarter = x
        for block in self.blocks[3:6]:
            x = block(x)
        return quarter, x

    def fuse(self) -> None:
        """Compute the activations along with the convolutions."""
        self.stem = _fused(self.stem, "relu6")
        self.activation = nn.Identity()
        for block in self.blocks:
            cast(InvertedResidual, block).fuse()

    def coarse(self, eighth: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features at strides 16 (96 channels) and 32 (320 channels)."""
        x = eighth
        for block in self.blocks[6:13]:
            x = block(x)
        sixteenth = x
        for block in self.blocks[13:]:
            x = block(x)
        return sixteenth, x


class ContextBlock(nn.Module):
    """A transformer block over the coarsest features, which gives each cell global context."""

    def __init__(self, channels: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        tokens = x.flatten(2).transpose(1, 2)
        batch, count, _ = tokens.shape
        qkv = self.qkv(self.norm1(tokens)).view(batch, count, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        tokens = tokens + self.proj(attended)
        tokens = tokens + self.mlp(self.norm2(tokens))
        context: Tensor = tokens.transpose(1, 2).reshape(x.shape)
        return context


class BottleneckBlock(nn.Module):
    """Two 3x3 convolutions on fewer channels, with a normalised, pre-activated shortcut.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016 (the bottleneck).
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            FastLayerNorm2d(channels),
            nn.Conv2d(channels, inner, 1),
            nn.GELU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(inner, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        return x + cast(Tensor, self.body(x))


class LiteImageEncoder(nn.Module):
    """MobileNetV2, scene context and a residual neck.

    Args:
        embed_dim: channels of the image embedding.
        key_dim: channels of the matching keys.
    """

    def __init__(self, embed_dim: int = 256, key_dim: int = 128) -> None:
        super().__init__()
        self.backbone = MobileNetV2Features()
        quarter, eighth, sixteenth, coarsest = self.backbone.channels
        self.reduce: nn.Module = nn.Conv2d(coarsest, embed_dim, 1)
        self.context = ContextBlock(embed_dim)
        self.merge: nn.Module = nn.Conv2d(4 * eighth + sixteenth + embed_dim, embed_dim, 1)
        self.neck = nn.Sequential(
            BottleneckBlock(embed_dim, embed_dim // 2),
            BottleneckBlock(embed_dim, embed_dim // 2),
            FastLayerNorm2d(embed_dim),
        )
        self.key_head: nn.Module = nn.Conv2d(embed_dim, key_dim, 1)
        self.skip_eighth = nn.Sequential(
            nn.Conv2d(eighth, 64, 3, padding=1), nn.GELU(), nn.Conv2d(64, embed_dim // 4, 1)
        )
        self.skip_quarter = nn.Sequential(
            nn.Conv2d(quarter, 64, 3, padding=1), nn.GELU(), nn.Conv2d(64, embed_dim // 8, 1)
        )

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), H and W multiples of 32."""
        return self.head(*self.backbone.fine(images))

    def head(self, quarter: Tensor, eighth: Tensor) -> ImageFeatures:
        """Encode from the features at strides 4 and 8 on (training freezes what is below)."""
        embedding = self.neck(self.merge(self.stacked(eighth)))
        return ImageFeatures(
            embedding=embedding,
            keys=normalised(self.key_head(embedding)),
            skips=(self.skip_eighth(eighth), self.skip_quarter(quarter)),
        )

    def stacked(self, eighth: Tensor) -> Tensor:
        """Return what the neck sees, at stride 16: the features at strides 8 to 32."""
        sixteenth, coarsest = self.backbone.coarse(eighth)
        scene = self.context(self.reduce(coarsest))
        scene = F.interpolate(scene, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.cat([F.pixel_unshuffle(eighth, 2), sixteenth, scene], dim=1)

    @inference()
    def accelerated(self) -> "LiteImageEncoder":
        """Return a copy for inference on the CPU, which computes the same up to rounding.

        It takes one image at a time.
        """
        # weights that nothing rearranges are shared
        fast = copy.deepcopy(self, {id(weight): weight for weight in self.parameters()})
        if can_fuse(next(self.parameters()).dtype):
            fast.backbone.fuse()
            fast.reduce = _fused(fast.reduce)
            fast.merge = _fused(fast.merge)
            fast.key_head = _fused(fast.key_head)
            bodies = (cast(BottleneckBlock, block).body for block in list(fast.neck)[:-1])
            for layers in (*bodies, fast.skip_eighth, fast.skip_quarter):
                _fuse_layers(layers)
        return fast


class LitePromptEncoder(PromptEncoder):  # type: ignore[misc]
    """SAM's prompt encoder for any grid, with the matching prompt and the memory readout.

    Args:
        embed_dim: channels of the image embedding.
        image_size: side of the square that coordinates are relative to, in input pixels.
        matching_channels: similarity maps of the matching prompt.

    Attributes:
        memory: the memory readout; ``None`` for weights trained without it.
    """

    def __init__(self, embed_dim: int, image_size: int, matching_channels: int) -> None:
        cells = image_size // CELL
        super().__init__(embed_dim, (cells, cells), (image_size, image_size), mask_in_chans=16)
        for index in (1, 4):
            self.mask_downscaling[index] = FastLayerNorm2d(
                self.mask_downscaling[index].weight.numel()
            )
        self.matching = nn.Sequential(
            nn.Conv2d(matching_channels, 64, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(64, embed_dim, 3, padding=1),
        )
        self.memory: MemoryReadout | None = MemoryReadout(embed_dim)

    def embed_matching(self, maps: Tensor) -> Tensor:
        """Embed similarity maps (B, channels, h, w) as a dense prompt (B, C, h, w)."""
        return cast(Tensor, self.matching(maps))


class LiteSam(Sam):
    """The embedded model.

    Args:
        image_size: side of the square that prompt coordinates are relative to; the long side of the
            input. Any multiple of 32 works with the same weights.
    """

    image_encoder: LiteImageEncoder
    prompt_encoder: LitePromptEncoder
    embed_dim = 256
    matching_channels = 4
    padding = 32
    takes_matching = True
    fills_cores = False

    def __init__(self, image_size: int = 768) -> None:
        super().__init__(
            LiteImageEncoder(self.embed_dim),
            LitePromptEncoder(self.embed_dim, image_size, self.matching_channels),
            GuidedMaskDecoder(
                self.embed_dim,
                GuidedTwoWayTransformer(2, self.embed_dim, num_heads=8, mlp_dim=512),
                high_resolution=True,
            ),
        )
        self.image_size = image_size
        self.mask_decoder.output_upscaling[1] = FastLayerNorm2d(self.embed_dim // 4)

    @property
    def readout(self) -> MemoryReadout | None:
        """The memory readout; ``None`` with weights trained without it."""
        return self.prompt_encoder.memory

    @property
    def dense_prompts(self) -> tuple[nn.Module, ...]:
        """What embeds the matching prompt, and the memory readout."""
        encoder = self.prompt_encoder
        return (encoder.matching,) if encoder.memory is None else (encoder.matching, encoder.memory)

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode normalised RGB images (B, 3, H, W), H and W multiples of 32."""
        return cast(ImageFeatures, self.image_encoder(images))

    def cpu_encoder(self) -> Callable[[Tensor], ImageFeatures]:
        """See ``Sam``; one image (1, 3, H, W) at a time."""
        return self.image_encoder.accelerated()

    def embed_matching(self, maps: Tensor) -> Tensor:
        """Embed similarity maps (N, channels, h, w) as a dense prompt (N, C, h, w).

        It is in the precision of the weights.
        """
        dtype = next(self.prompt_encoder.matching.parameters()).dtype
        return self.prompt_encoder.embed_matching(maps.to(dtype))

    def leave_out_missing(self, names: Iterable[str]) -> None:
        """Drop the memory readout if the weights lack it, as older ones do."""
        if not any(name.startswith("prompt_encoder.memory.") for name in names):
            self.prompt_encoder.memory = None

    def prepare_for_rounding(self) -> None:
        """Rewrite the backbone's weights so that they survive rounding to 16 bits."""
        self.image_encoder.backbone.prepare_for_rounding()
