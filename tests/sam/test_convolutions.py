import pytest
import torch
from torch import nn
from torch.nn import functional as F

from persam_video.sam.convolutions import FusedConv2d, can_fuse, fused_linear, pack_linear


@pytest.fixture(params=["fp32", "bf16"])
def precision(request):
    """Give a precision that convolutions are fused in here, and how exact it is."""
    dtype, exact = {"fp32": (torch.float32, 1e-5), "bf16": (torch.bfloat16, 2**-6)}[request.param]
    if not can_fuse(dtype):
        pytest.skip(f"nothing is fused in {request.param} here")
    return dtype, exact


@pytest.mark.parametrize(
    ("activation", "expected"), [("none", lambda x: x), ("relu6", F.relu6), ("gelu", F.gelu)]
)
@pytest.mark.parametrize("groups", [1, 8])
@torch.inference_mode()
def test_a_fused_activation_follows_the_convolution(precision, activation, expected, groups):
    torch.manual_seed(0)
    dtype, exact = precision
    conv = nn.Conv2d(8, 16, 3, 2, 1, groups=groups)
    conv.to(dtype, memory_format=torch.channels_last)
    image = 20 * torch.randn(2, 8, 9, 14).to(dtype).contiguous(memory_format=torch.channels_last)
    found = FusedConv2d(conv, activation)(image)
    assert found.dtype is dtype
    assert torch.allclose(found, expected(conv(image)), atol=exact, rtol=exact)


@pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="no native bf16")
@pytest.mark.parametrize(
    ("activation", "expected"), [("none", lambda x: x), ("relu6", F.relu6), ("gelu", F.gelu)]
)
@torch.inference_mode()
def test_packed_weights_give_the_same_product(activation, expected):
    torch.manual_seed(0)
    layer, x = nn.Linear(40, 24).bfloat16(), torch.randn(2, 5, 40).bfloat16()
    wanted = expected(layer(x))
    loose = fused_linear(x, layer, activation)
    pack_linear(layer, 10)
    packed = fused_linear(x, layer, activation)
    assert layer.weight.is_mkldnn
    for found in (loose, packed):
        assert torch.allclose(found, wanted, atol=2**-6, rtol=2**-6)


def test_weights_in_fp32_stay_as_they_are():
    layer = nn.Linear(4, 4)
    before = layer.weight
    pack_linear(layer, 1)
    assert layer.weight is before
