import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from persam_video.sam.decoder import GuidedAttention, batches_of
from persam_video.sam.modules import Attention


@pytest.fixture(scope="module")
def attentions():
    """Give ours and segment-anything's attention with the same weights."""
    torch.manual_seed(0)
    ours, theirs = GuidedAttention(64, 4, 2).eval(), Attention(64, 4, 2).eval()
    with torch.no_grad():
        for name, value in ours.named_parameters():
            value.normal_(std=1.0 if "bias" in name else 0.3)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
@example(2, 3, 40, 0)  # few queries
@example(2, 40, 3, 0)  # few keys
@example(2, 5, 5, 0)
@torch.no_grad()
def test_attention_is_segment_anythings_for_any_number_of_queries_and_keys(
    attentions, batch, asking, asked, seed
):
    torch.manual_seed(seed)
    ours, theirs = attentions
    q, k, v = (torch.randn(batch, n, 64) for n in (asking, asked, asked))
    expected = theirs(q, k, v)
    assert torch.allclose(ours(q, k, v), expected, atol=1e-4 * float(expected.abs().max()))


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
@example(2, 3, 40, 0)
@example(2, 40, 3, 0)
@torch.no_grad()
def test_biased_attention_is_what_persam_defines(attentions, batch, asking, asked, seed):
    torch.manual_seed(seed)
    ours, _ = attentions
    q, k, v = (torch.randn(batch, n, 64) for n in (asking, asked, asked))
    bias = torch.rand(batch, 1, 1, asked)

    def by_head(x):
        return x.view(batch, x.shape[1], 4, -1).transpose(1, 2)

    logits = by_head(ours.q_proj(q)) @ by_head(ours.k_proj(k)).transpose(2, 3) / 8**0.5
    weights = ((logits.softmax(-1)) + bias).softmax(-1)
    heads = (weights @ by_head(ours.v_proj(v))).transpose(1, 2).flatten(2)
    expected = ours.out_proj(heads)
    found = ours(q, k, v, attention_bias=bias)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("asking", "asked"), [(3, 40), (40, 3), (5, 5)])
def test_the_fit_can_go_back_through_attention(attentions, asking, asked):
    ours, theirs = attentions
    q, k = torch.randn(1, asking, 64), torch.randn(1, asked, 64)
    slopes = []
    for attention in (ours, theirs):
        x = q.clone().requires_grad_()
        attention(x, k, k).square().sum().backward()
        slopes.append(x.grad)
    assert torch.allclose(*slopes, rtol=1e-3, atol=1e-4 * float(slopes[1].abs().max()))


@st.composite
def windows(draw):
    """Give the size of a grid, and up to nine windows in it."""
    height, width = draw(st.integers(1, 30)), draw(st.integers(1, 40))

    def side(length):
        begin = draw(st.integers(0, length - 1))
        return begin, draw(st.integers(begin + 1, length))

    found = []
    for _ in range(draw(st.integers(1, 9))):
        (x0, x1), (y0, y1) = side(width), side(height)
        found.append((x0, y0, x1, y1))
    return (height, width), found


@given(windows())
def test_areas_of_a_batch_have_one_size_and_hold_what_their_windows_need(case):
    (height, width), asked = case
    batches = batches_of(asked, (height, width))
    assert sorted(number for areas in batches for number in areas) == list(range(len(asked)))
    for areas in batches:
        assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in areas.values()}) == 1
        for number, (left, top, right, bottom) in areas.items():
            x0, y0, x1, y1 = asked[number]
            assert 0 <= left <= max(x0 - 1, 0)
            assert min(x1 + 1, width) <= right <= width
            assert 0 <= top <= max(y0 - 1, 0)
            assert min(y1 + 1, height) <= bottom <= height
            assert (right - left) * (bottom - top) <= 1.25 * (x1 - x0 + 2) * (y1 - y0 + 2)


def test_windows_of_nearly_one_size_are_one_batch():
    asked = [(0, 0, 14, 14), (20, 0, 33, 14), (30, 10, 44, 23), (10, 4, 40, 26)]
    sizes = [len(areas) for areas in batches_of(asked, (26, 44))]
    assert sizes == [3, 1]
