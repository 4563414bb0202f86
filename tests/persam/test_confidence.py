import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from persam_video.persam.confidence import blend, extreme_cells, standardise

seeds = st.integers(0, 10_000)
sides = st.integers(1, 7)


def random(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(seeds, sides, sides)
@settings(max_examples=40)
def test_standardised_is_between_0_and_1_in_the_same_order(seed, rows, columns):
    similarity = random(seed, 2, 8, 9)
    out = standardise(similarity, (rows, columns))
    assert torch.isfinite(out).all()
    assert (out >= 0).all() and (out <= 1).all()
    outside = torch.ones(8, 9, dtype=torch.bool)
    outside[:rows, :columns] = False
    assert (out[:, outside] == 0).all()
    inside = [x[:, :rows, :columns].flatten(1) for x in (similarity, out)]
    order = inside[0].argsort(dim=1)
    assert (inside[1].gather(1, order).diff(dim=1) >= 0).all()


def test_standardised_agrees_with_its_formula():
    similarity = random(0, 1, 6, 7)
    part = similarity[0, :4, :5]
    wanted = ((part - part.mean()) / part.std()).sigmoid()
    torch.testing.assert_close(standardise(similarity, (4, 5))[0, :4, :5], wanted)


def test_a_constant_map_stands_in_the_middle():
    out = standardise(torch.full((1, 3, 3), 0.7), (3, 3))
    assert torch.equal(out, out[:, :1, :1].expand_as(out))
    torch.testing.assert_close(out, torch.full((1, 3, 3), 0.5), atol=0.05, rtol=0)


@given(seeds, st.floats(0, 1))
@settings(max_examples=40)
def test_a_blend_lies_between_its_parts(seed, alpha):
    confidence, prior = random(seed, 2, 4, 5).sigmoid(), random(seed + 1, 2, 4, 5).sigmoid()
    out = blend(confidence, prior, torch.tensor([alpha, alpha]))
    low, high = torch.minimum(confidence, prior), torch.maximum(confidence, prior)
    assert (out >= low - 1e-6).all() and (out <= high + 1e-6).all()


@given(seeds)
@settings(max_examples=40)
def test_a_blend_without_prior_is_the_confidence_bit_for_bit(seed):
    confidence = random(seed, 2, 4, 5)
    prior = torch.full((2, 4, 5), float("nan"))  # not even looked at
    assert torch.equal(blend(confidence, prior, torch.zeros(2)), confidence)
    prior = confidence.sigmoid()
    mixed = blend(confidence, prior, torch.tensor([0.0, 1.0]))
    assert torch.equal(mixed[0], confidence[0])
    assert torch.equal(mixed[1], prior[1])


@given(seeds, sides, sides, st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=60)
def test_extreme_cells_are_the_extremes(seed, rows, columns, positives, negatives):
    confidence = random(seed, 2, 8, 9)
    cells, labels = extreme_cells(confidence, (rows, columns), positives, negatives)
    highest, lowest = min(positives, rows * columns), min(negatives, rows * columns)
    assert cells.shape == (2, highest + lowest, 2)
    assert labels.tolist() == [[1] * highest + [0] * lowest] * 2
    for map_, chosen in zip(confidence, cells.long(), strict=True):
        inside = map_[:rows, :columns].flatten().sort(descending=True).values
        values = map_[chosen[:, 1], chosen[:, 0]]
        assert torch.equal(values[:highest], inside[:highest])
        assert torch.equal(values[highest:], inside.flip(0)[:lowest])
        assert (chosen[:, 0] < columns).all() and (chosen[:, 1] < rows).all()
