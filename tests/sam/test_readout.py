import pytest
import torch
from torch.nn import functional as F

from persam_video.sam.readout import PRIOR_CHANNELS, VALUE_DIM, Distances, MemoryReadout

GRID = (3, 4)


@pytest.fixture
def readout():
    torch.manual_seed(4)
    return MemoryReadout(32).eval()


def keys(count, seed=0):
    drawn = torch.randn(count, 16, *GRID, generator=torch.Generator().manual_seed(seed))
    return F.normalize(drawn, dim=1)


def test_a_new_one_adds_nothing(readout):
    read = torch.randn(2, VALUE_DIM, *GRID)
    prompt = readout.embed(read, read, torch.rand(2, PRIOR_CHANNELS, *GRID))
    assert prompt.shape == (2, 32, *GRID)
    assert (prompt == 0).all()


@torch.inference_mode()
def test_a_value_knows_the_object_the_others_and_the_image(readout):
    features = torch.randn(1, 32, *GRID)
    masks = torch.zeros(2, 12, 16)
    masks[0, 4:8, 4:8] = 1
    values = readout.values(features, masks, masks.flip(0))
    assert values.shape == (2, VALUE_DIM, *GRID)
    assert not torch.allclose(values[0], values[1])
    assert not torch.allclose(values[1], readout.values(features, masks, 0 * masks)[1])
    assert not torch.allclose(values, readout.values(-features, masks, masks.flip(0)))


@torch.inference_mode()
def test_a_cell_reads_the_value_of_the_cell_that_looks_like_it(readout):
    readout.log_sharpness.fill_(8.0)
    remembered = keys(1)
    values = torch.randn(1, 5, 12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = remembered.flatten(2)[..., order].unflatten(2, GRID)
    read = readout.read(readout.affinities(shuffled, remembered.flatten(2)), values, GRID)
    torch.testing.assert_close(read.flatten(2), values[..., order], atol=1e-3, rtol=0)


@torch.inference_mode()
def test_what_is_far_away_counts_for_less_and_not_without_a_prior(readout):
    same = F.normalize(torch.ones(1, 16, *GRID), dim=1)  # all cells look alike
    values = torch.eye(12)[None]  # a cell's value is its number
    affinities = readout.affinities(same, same.flatten(2), recent=True)
    far = readout.far(Distances.within(GRID))
    near = readout.read(affinities - far, values, GRID)[0].flatten(1)
    assert (near.argmax(dim=0) == torch.arange(12)).all()
    assert (readout.far(Distances.within(GRID).shared(0.0)) == 0).all()
    even = readout.read(affinities, values, GRID)
    torch.testing.assert_close(even, torch.full_like(even, 1 / 12))


@torch.inference_mode()
def test_distances_are_squared_and_in_cells(readout):
    readout.log_locality.zero_()  # its exponential is one
    found = readout.far(Distances.within((2, 3)))[0].tolist()
    assert found[0] == [0, 1, 4, 1, 2, 5]
    assert found[4] == [2, 1, 2, 1, 0, 1]


@torch.inference_mode()
def test_each_object_has_its_own_share(readout):
    shares = torch.tensor([0.0, 0.5, 1.0])[:, None, None]
    distances = Distances.within(GRID)
    found, whole = readout.far(distances.shared(shares)), readout.far(distances)
    torch.testing.assert_close(found, shares * whole)
