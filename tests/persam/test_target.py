import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from persam_video.persam.target import location_confidence, target_embedding

seeds = st.integers(0, 10_000)


def random(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_cells(seed, *shape, share=0.4):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed + 1)) < share


@given(seeds, st.sampled_from(["mean", "mean_max"]))
@settings(max_examples=30)
def test_pools_the_object_cells(seed, pooling):
    features, cells = random(seed, 1, 5, 4, 6), random_cells(seed, 3, 4, 6)
    pooled = target_embedding(features, cells.float(), pooling)
    assert pooled.shape == (3, 5)
    for row, mask in zip(pooled.numpy(), cells.numpy(), strict=True):
        chosen = features[0].numpy()[:, mask]
        if not mask.any():
            wanted = np.zeros(5)
        elif pooling == "mean":
            wanted = chosen.mean(axis=1)
        else:
            wanted = (chosen.mean(axis=1) + chosen.max(axis=1)) / 2
        np.testing.assert_allclose(row, wanted, atol=1e-5)


@given(seeds, st.floats(0.01, 100))
@settings(max_examples=30)
def test_confidence_is_a_cosine(seed, length):
    features, targets = random(seed, 1, 5, 4, 6), random(seed + 1, 2, 5)
    confidence = location_confidence(features, targets)
    assert confidence.shape == (2, 4, 6)
    assert confidence.abs().max() <= 1 + 1e-5
    torch.testing.assert_close(confidence, location_confidence(features, targets * length))


def test_an_object_of_one_cell_finds_it():
    features = random(0, 1, 8, 4, 6)
    cells = torch.zeros(1, 4, 6)
    cells[0, 2, 3] = 1
    confidence = location_confidence(features, target_embedding(features, cells))
    assert confidence.argmax().item() == 2 * 6 + 3
    assert confidence.max().item() == pytest.approx(1, abs=1e-5)


def test_an_object_without_a_cell_is_nowhere():
    features = random(0, 1, 8, 4, 6)
    for pooling in ("mean", "mean_max"):
        target = target_embedding(features, torch.zeros(2, 4, 6), pooling)
        assert torch.equal(target, torch.zeros(2, 8))
        assert torch.equal(location_confidence(features, target), torch.zeros(2, 4, 6))
