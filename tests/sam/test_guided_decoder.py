"""The guided decoder against its formula, written out again without segment-anything's classes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from persam_video.sam.decoder import GuidedMaskDecoder, GuidedTwoWayTransformer
from persam_video.sam.modules import MaskDecoder, TwoWayTransformer

CHANNELS, HEADS, GRID, TOKENS = 16, 4, (3, 5), 6


def make_transformer(kind=GuidedTwoWayTransformer, seed=0):
    torch.manual_seed(seed)
    return kind(2, CHANNELS, num_heads=HEADS, mlp_dim=24).eval()


def make_inputs(seed, batch=2):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, CHANNELS, *GRID, generator=generator)
    place = torch.randn(1, CHANNELS, *GRID, generator=generator)
    tokens = torch.randn(batch, TOKENS, CHANNELS, generator=generator)
    bias = torch.rand(batch, 1, 1, GRID[0] * GRID[1], generator=generator)
    target = torch.randn(batch, 1, CHANNELS, generator=generator)
    return image, place, tokens, bias, target


def attend(module, q, k, v, bias=None):
    """softmax(softmax(QK/sqrt(d)) + bias) V, head by head."""
    q, k, v = module.q_proj(q), module.k_proj(k), module.v_proj(v)
    width = q.shape[-1] // HEADS
    outputs = []
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        weights = F.softmax(q[..., part] @ k[..., part].mT / width**0.5, dim=-1)
        if bias is not None:
            weights = F.softmax(weights + bias[:, 0], dim=-1)
        outputs.append(weights @ v[..., part])
    return module.out_proj(torch.cat(outputs, dim=-1))


def plain_transformer(transformer, image, place, tokens, bias, target):
    """Two-way transformer with guidance, after the paper's section 3.2 and the upstream code."""
    keys, key_place = (x.flatten(2).transpose(1, 2) for x in (image, place))
    # the first addition of the target is in place: the tokens' positional encoding has it too
    query_place = tokens + target
    queries = tokens
    for number, layer in enumerate(transformer.layers):
        queries = queries + target
        if number == 0:
            queries = layer.norm1(attend(layer.self_attn, queries, queries, queries))
        else:
            with_place = queries + query_place
            queries = layer.norm1(
                queries + attend(layer.self_attn, with_place, with_place, queries)
            )
        attended = attend(
            layer.cross_attn_token_to_image, queries + query_place, keys + key_place, keys, bias
        )
        queries = layer.norm2(queries + attended)
        queries = layer.norm3(queries + layer.mlp(queries))
        attended = attend(
            layer.cross_attn_image_to_token, keys + key_place, queries + query_place, queries
        )
        keys = layer.norm4(keys + attended)
    attended = attend(
        transformer.final_attn_token_to_image,
        queries + query_place + target,
        keys + key_place,
        keys,
    )
    return transformer.norm_final_attn(queries + attended), keys


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_guidance_follows_the_formula(seed):
    transformer = make_transformer(seed=seed)
    inputs = make_inputs(seed)
    with torch.inference_mode():
        ours = transformer(*inputs)
        plain = plain_transformer(transformer, *inputs)
    for mine, wanted in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-5)


def test_without_guidance_it_is_segment_anything():
    ours, theirs = make_transformer(), make_transformer(TwoWayTransformer, seed=1)
    theirs.load_state_dict(ours.state_dict())
    image, place, tokens, _, _ = make_inputs(0)
    for mine, wanted in zip(
        ours(image, place, tokens), theirs(image, place.expand_as(image), tokens), strict=True
    ):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-5)


def test_inputs_are_left_alone():
    inputs = make_inputs(0)
    before = [value.clone() for value in inputs]
    make_transformer()(*inputs)
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))


@pytest.mark.parametrize("given_input", ["attention_bias", "target_embedding"])
def test_each_guidance_changes_the_masks(given_input):
    torch.manual_seed(0)
    decoder = GuidedMaskDecoder(CHANNELS, make_transformer(), iou_head_hidden_dim=16).eval()
    image, place, tokens, bias, target = make_inputs(0)
    dense = torch.zeros_like(image)
    guidance = {"attention_bias": bias, "target_embedding": target}
    plain, _ = decoder.predict_masks(image, place, tokens, dense)
    guided, _ = decoder.predict_masks(
        image, place, tokens, dense, **{given_input: guidance[given_input]}
    )
    assert plain.shape == guided.shape == (2, 4, 4 * GRID[0], 4 * GRID[1])
    assert not torch.allclose(plain, guided, atol=1e-4)


def test_state_dicts_of_segment_anything_load_and_give_its_masks():
    torch.manual_seed(0)
    theirs = MaskDecoder(
        transformer_dim=CHANNELS,
        transformer=make_transformer(TwoWayTransformer),
        iou_head_hidden_dim=16,
    ).eval()
    ours = GuidedMaskDecoder(CHANNELS, make_transformer(seed=1), iou_head_hidden_dim=16).eval()
    ours.load_state_dict(theirs.state_dict())
    image, place, tokens, _, _ = make_inputs(0, batch=1)
    dense = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    for mine, wanted in zip(
        ours.predict_masks(image, place, tokens, dense),
        theirs.predict_masks(image, place, tokens, dense),
        strict=True,
    ):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-5)
