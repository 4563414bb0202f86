"""The fused encoder gives what segment-anything's own gives on the same weights."""

import copy
from dataclasses import replace

import pytest
import torch

from persam_video.sam.modules import ImageEncoderViT
from persam_video.sam.prompts import Prompts
from persam_video.sam.vit import (
    FusedImageEncoderViT,
    _by_products,
    _folded_attention,
    _masked_attention,
    _weighted,
)


def shape(**changes):
    """Dimensions whose windows do not divide the grid of 6x6 tokens, so that they are padded."""
    small = {
        "img_size": 96,
        "patch_size": 16,
        "embed_dim": 48,
        "depth": 2,
        "num_heads": 4,
        "out_chans": 16,
        "use_rel_pos": True,
        "window_size": 4,
        "global_attn_indexes": (1,),
    }
    return small | changes


@pytest.fixture
def pair(randomise):
    """Both encoders, with the same weights."""

    def build(options):
        original = randomise(ImageEncoderViT(**options))
        fused = FusedImageEncoderViT(**options).eval()
        fused.load_state_dict(original.state_dict())
        return original, fused

    return build


def largest_difference(pair, images):
    original, fused = pair
    with torch.inference_mode():
        return float((original(images) - fused(images)).abs().max())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"window_size": 3},
        {"global_attn_indexes": ()},
        {"qkv_bias": False},
        {"use_rel_pos": False},
    ],
    ids=str,
)
def test_the_same_as_the_original(pair, changes):
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    assert largest_difference(pair(shape(**changes)), images) < 1e-4


@pytest.mark.parametrize("global_blocks", [(), (0,)], ids=["windows", "global"])
def test_the_same_as_the_original_in_a_block_of_vit_b(pair, global_blocks):
    """Grid, windows and width of a head are real, so the mask is laid out in several pieces.

    Two of the twelve heads keep the test fast.
    """
    options = shape(
        img_size=1024,
        embed_dim=128,
        num_heads=2,
        depth=1,
        window_size=14,
        global_attn_indexes=global_blocks,
        mlp_ratio=0.25,
    )
    images = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1))
    assert largest_difference(pair(options), images) < 1e-4


def test_the_same_as_the_original_in_64_bits(pair):
    """Where only a mistake could show."""
    original, fused = (encoder.double() for encoder in pair(shape()))
    images = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    assert largest_difference((original, fused), images) < 1e-9


@pytest.mark.parametrize("attend", [_by_products, _folded_attention, _masked_attention])
@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (5, 5), (40, 50)])
def test_each_way_adds_the_biases_of_rows_and_columns(attend, rows, columns):
    """In 64 bits, where only a mistake could show; the largest is computed in pieces."""
    torch.manual_seed(2)
    cells = rows * columns
    q, k, v = torch.randn(3, 2, cells, 16, dtype=torch.float64)
    by_row = torch.randn(2, cells, rows, dtype=torch.float64)
    by_column = torch.randn(2, cells, columns, dtype=torch.float64)
    bias = (by_row[..., None] + by_column[..., None, :]).flatten(2)
    expected = torch.softmax(q @ k.transpose(1, 2) / 4 + bias, dim=-1) @ v
    found = attend(q, k, v, by_row, by_column, 1 / 4)
    assert (found - expected).abs().max() < 1e-9


@pytest.mark.parametrize("side", [6, 20], ids=["folded", "mask"])
def test_products_in_16_bits_are_as_exact_for_high_logits(side):
    """A softmax ignores what is added to all logits of a query; rounding must ignore it, too."""
    torch.manual_seed(3)
    q, k, v = torch.randn(3, 2, side * side, 16)
    k[..., 0] = 8.0  # the same for all keys
    q[..., 0] = 10 * torch.rand(2, side * side)
    q, k, v = (one.bfloat16() for one in (q, k, v))
    expected = torch.softmax(q.float() @ k.float().transpose(1, 2), dim=-1) @ v.float()
    none = q.new_zeros(2, side * side, side)
    assert (_by_products(q, k, v, none, none, 1.0).float() - expected).abs().max() < 0.1


def test_training_reaches_the_relative_position(pair):
    _, fused = pair(shape())
    fused(torch.randn(1, 3, 96, 96)).square().mean().backward()
    for block in fused.blocks:
        assert block.attn.rel_pos_h.grad.abs().sum() > 0


def test_bf16_gives_the_masks_of_fp32(nano_network, as_model, frame):
    """The tolerance of 16 bits, on what comes out in the end."""
    model = as_model(nano_network)
    exact = model.encode(frame)
    images = exact.transform.image(frame, model.device)
    encoder = copy.deepcopy(nano_network.image_encoder).bfloat16()
    with torch.inference_mode():
        rounded = replace(exact, features=encoder(images.bfloat16()).float())
    points = torch.tensor([[[80.0, 45.0]], [[20.0, 20.0]]])
    prompts = Prompts(points=points, point_labels=torch.ones(2, 1))
    wanted, found = (model.decode(embedding, prompts).logits > 0 for embedding in (exact, rounded))
    overlap = (wanted & found).flatten(2).sum(2) / (wanted | found).flatten(2).sum(2)
    assert overlap.mean() >= 0.99
    assert overlap.min() >= 0.98  # the masks of random weights are ragged


def test_packed_weights_give_the_same_features(pair):
    _, fused = pair(shape())
    fused.bfloat16()
    images = torch.randn(1, 3, 96, 96).bfloat16()
    with torch.inference_mode():
        loose = fused(images).float()
        fused.pack()
        fused.pack()  # packed once, as by a second model of the same network
        packed = fused(images).float()
    assert (packed - loose).abs().mean() < 0.01  # the features' deviation is 1


@pytest.mark.parametrize("side", [6, 20], ids=["folded", "mask"])
def test_a_key_far_above_all_others_takes_all_of_the_weight(side):
    """Its power of two is more than 16 bits can hold, and it is none of the keys that are seen."""
    torch.manual_seed(4)
    q, k, v = torch.randn(3, 2, side * side, 16).bfloat16()
    k[:, 1] = 300 * q.float().mean(dim=1).bfloat16()
    q[:] = q.float().mean(dim=1, keepdim=True).bfloat16() * 30
    none = q.new_zeros(2, side * side, side)
    found = _by_products(q, k, v, none, none, 1.0).float()
    assert (found - v[:, 1, None].float()).abs().max() < 0.05


def test_half_precision_holds_what_high_logits_give():
    logits, values = torch.tensor([[0.0, 15.9]]).half(), torch.full((2, 2), 5.0).half()
    assert (_weighted(logits, values) - 5).abs().max() < 0.01
