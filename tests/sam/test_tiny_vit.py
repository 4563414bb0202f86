import pytest
import torch
from torch.nn import functional as F

from persam_video.sam.registry import TinyVitDimensions
from persam_video.sam.tiny_vit import TinyVitImageEncoder, _WindowAttention

SMALL = TinyVitDimensions((8, 16, 16, 24), (1, 1, 1, 1), (1, 2, 2, 3), (3, 3, 4, 3))


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (160, 64)])
def test_a_cell_covers_sixteen_pixels(size):
    encoder = TinyVitImageEncoder(SMALL, embed_dim=32).eval()
    with torch.inference_mode():
        assert encoder(torch.randn(2, 3, *size)).shape == (2, 32, size[0] // 16, size[1] // 16)


def test_images_of_a_batch_do_not_mix():
    encoder = TinyVitImageEncoder(SMALL).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        together = encoder(images)
        alone = torch.cat([encoder(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


def test_attention_is_inside_windows_with_a_bias_by_distance():
    """The formula, token by token: softmax(q k / sqrt(d) + bias[rows apart, columns apart]) v."""
    torch.manual_seed(0)
    window, heads, channels = 2, 2, 8
    attention = _WindowAttention(channels, heads, window)
    torch.nn.init.normal_(attention.attention_biases)
    # three by three tokens: padded with zeros to two by two windows
    image = torch.randn(1, 3, 3, channels)

    padded = F.pad(image, (0, 0, 0, 1, 0, 1))
    expected = torch.zeros_like(padded)
    size = channels // heads
    qkv = attention.qkv(attention.norm(padded))[0]
    for row in range(4):
        for column in range(4):
            top, left = row // window * window, column // window * window
            others = [(top + i, left + j) for i in range(window) for j in range(window)]
            mixed = []
            for head in range(heads):
                start = 3 * size * head
                query = qkv[row, column, start : start + size]
                weights = torch.stack(
                    [
                        query @ qkv[i, j, start + size : start + 2 * size] / size**0.5
                        + attention.attention_biases[head, abs(row - i) * window + abs(column - j)]
                        for i, j in others
                    ]
                ).softmax(0)
                values = torch.stack(
                    [qkv[i, j, start + 2 * size : start + 3 * size] for i, j in others]
                )
                mixed.append(weights @ values)
            expected[0, row, column] = attention.proj(torch.cat(mixed))

    assert torch.allclose(attention(image), expected[:, :3, :3], atol=1e-5)
