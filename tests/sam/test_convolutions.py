import pytest
import torch
from torch import nn
from torch.nn import functional as F

from persam_video.sam.convolutions import FusedConv2d, WinogradConv2d, can_fuse


@pytest.fixture
def conv():
    torch.manual_seed(0)
    return nn.Conv2d(16, 24, 3, padding=1)


@pytest.mark.parametrize("size", [(8, 12), (7, 9), (1, 1), (4, 4), (2, 33)], ids=str)
@torch.inference_mode()
def test_winograd_s_convolution_agrees_at_all_sizes(conv, size):
    image = torch.randn(1, 16, *size).contiguous(memory_format=torch.channels_last)
    found = WinogradConv2d(conv)(image)
    assert found.shape == (1, 24, *size)
    assert torch.allclose(found, conv(image), atol=1e-5)


@pytest.mark.skipif(not can_fuse(), reason="this torch has no fused convolutions")
@pytest.mark.parametrize(
    ("activation", "expected"), [("none", lambda x: x), ("relu6", F.relu6), ("gelu", F.gelu)]
)
@pytest.mark.parametrize("groups", [1, 8])
@torch.inference_mode()
def test_a_fused_activation_follows_the_convolution(activation, expected, groups):
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 16, 3, 2, 1, groups=groups).to(memory_format=torch.channels_last)
    image = 20 * torch.randn(2, 8, 9, 14).contiguous(memory_format=torch.channels_last)
    assert torch.allclose(FusedConv2d(conv, activation)(image), expected(conv(image)), atol=1e-5)
