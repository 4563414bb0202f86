"""Faster convolutions for inference on the CPU; their results are the same up to rounding.

Source of the Winograd convolution: Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks", CVPR 2016.
"""

from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation: TypeAlias = Literal["none", "relu6", "gelu"]

_TILE = 4
"""Side of the tiles of the output that are computed at once."""

_POINTS = _TILE + 2
"""Side of the tiles of the input, and of the transformed kernels."""

# the transforms F(4x4, 3x3) of the source, at the points 0, 1, -1, 2, -2 and infinity
_INPUT = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_KERNEL = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_OUTPUT = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


class WinogradConv2d(nn.Module):
    """A 3x3 convolution with stride 1 and padding 1, with a quarter of the multiplications.

    Transforming the image takes time in proportion to its channels, and the products in proportion
    to their square: with 256 channels it takes half as long as oneDNN, with 64 as long.

    Args:
        conv: the convolution, in fp32.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        kernel = conv.weight.new_tensor(_KERNEL)
        weight = torch.einsum("ia,jb,ocab->jico", kernel, kernel, conv.weight.detach())
        # one matrix for each point of a transformed tile, column by column
        self.weight = weight.flatten(0, 1).contiguous()
        self.bias = cast(Tensor, conv.bias).detach()
        self.input = conv.weight.new_tensor(_INPUT)
        output = conv.weight.new_tensor(_OUTPUT)
        self.output = torch.kron(output, output)

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, C, H, W) to (1, O, H, W), in channels-last layout."""
        channels, height, width = x.shape[1:]
        rows, columns = -(-height // _TILE), -(-width // _TILE)
        below, right = _TILE * rows - height, _TILE * columns - width
        padded = F.pad(x[0].permute(1, 2, 0), (0, 0, 1, 1 + right, 1, 1 + below))

        # neighbouring tiles overlap by two rows and by two columns
        line = padded.shape[1] * channels
        tall = padded.as_strided((_POINTS, rows, line), (line, _TILE * line, 1))
        tall = self.input @ tall.reshape(_POINTS, -1)
        tiles = tall.as_strided(
            (_POINTS, _POINTS, rows, columns, channels),
            (channels, rows * line, line, _TILE * channels, 1),
        )
        transformed = self.input @ tiles.reshape(_POINTS, -1)

        found = torch.bmm(transformed.view(_POINTS**2, rows * columns, channels), self.weight)
        out = (self.output @ found.flatten(1)).view(_TILE, _TILE, rows, columns, -1)
        # across, down, row, column: both transforms of a tile commute
        out = out.permute(2, 1, 3, 0, 4).reshape(_TILE * rows, _TILE * columns, -1)
        return (out[:height, :width] + self.bias).permute(2, 0, 1)[None]


class FusedConv2d(nn.Module):
    """A convolution and its activation in one pass over memory, by oneDNN.

    In fp32, the weights are brought into oneDNN's layout once. In bf16 they stay as they are: not
    knowing the image's size, oneDNN chooses a layout that makes some sizes ten times as slow.

    Args:
        conv: the convolution, in fp32 or bf16, see ``can_fuse``.
        activation: follows the convolution.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation = "none") -> None:
        super().__init__()
        self.bias = cast(Tensor, conv.bias).detach()
        self.shape = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self.weight = conv.weight.detach()
        if self.weight.dtype is torch.float32:
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.shape)
        # name, numbers and variant, as oneDNN knows it
        self.activation: tuple[str, list[float], str] = {
            "none": ("none", [], ""),
            "relu6": ("hardtanh", [0.0, 6.0], ""),
            "gelu": ("gelu", [], "none"),
        }[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, O, h, w), in the same memory layout."""
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.shape, *self.activation
        )
        return found


def can_fuse(dtype: torch.dtype) -> bool:
    """Return whether ``FusedConv2d`` computes in a precision here.

    It needs what this torch's compiler uses, too, and for bf16 a processor that has it.
    """
    mkldnn = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if not hasattr(mkldnn, "_convolution_pointwise"):
        return False
    return dtype is torch.float32 or (
        dtype is torch.bfloat16 and bool(mkldnn._is_mkldnn_bf16_supported())
    )
