"""Faster convolutions and linear layers for inference on the CPU.

Their results are the same up to rounding.
"""

from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation: TypeAlias = Literal["none", "relu6", "gelu"]


_NAMES: dict[Activation, tuple[str, list[float], str]] = {
    "none": ("none", [], ""),
    "relu6": ("hardtanh", [0.0, 6.0], ""),
    "gelu": ("gelu", [], "none"),
}
"""Name, numbers and variant of each activation, as oneDNN knows it."""


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
        self.activation = _NAMES[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, O, h, w), in the same memory layout."""
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.shape, *self.activation
        )
        return found


def fused_linear(x: Tensor, layer: nn.Linear, activation: Activation = "none") -> Tensor:
    """Apply a linear layer and an activation, in one pass over memory where bf16 is native.

    Args:
        x: (..., inputs).
        layer: the layer; its weights may be packed.
        activation: follows it.

    Returns:
        (..., outputs).
    """
    dtype = torch.bfloat16
    if x.device.type == "cpu" and x.dtype is dtype and not x.requires_grad and can_fuse(dtype):
        found: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, layer.weight, layer.bias, *_NAMES[activation]
        )
        return found
    x = layer(x)
    return F.gelu(x) if activation == "gelu" else F.relu6(x) if activation == "relu6" else x


def pack_linear(layer: nn.Linear, rows: int) -> None:
    """Bring weights on the CPU into oneDNN's layout, where bf16 is native.

    Else they would be rearranged for each product, which takes a seventh of its time. Only
    ``fused_linear`` can read them then.

    Args:
        layer: the layer, changed in place.
        rows: number of vectors that it usually maps at a time, for which the layout is chosen.
    """
    weight = layer.weight.detach()
    if weight.dtype is torch.bfloat16 and not weight.is_mkldnn and can_fuse(weight.dtype):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        layer.weight = nn.Parameter(packed, requires_grad=False)


def can_fuse(dtype: torch.dtype) -> bool:
    """Return whether oneDNN computes fused convolutions and linear layers in a precision here.

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
