from dataclasses import replace

import numpy as np
import pytest
import torch

from persam_video.persam.learning import remember
from persam_video.persam.matching import cell_coverage, others
from persam_video.persam.recall import Recalled, recall, recall_ahead
from persam_video.sam import load_sam
from persam_video.sam.readout import PRIOR_CHANNELS
from persam_video.sam.transform import View, scaled_size


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(5)
    model = load_sam("lite", precision="fp32", image_size=128, device="cpu")
    torch.nn.init.normal_(model.readout.fuse[-1].weight, std=0.1)
    return model


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (96, 128, 3), np.uint8)


def encoded(model, seed, box=None):
    view = None if box is None else View(box, scaled_size((96, 128), model.info.image_size))
    return model.encode(picture(seed), view)


def memories(model, seed, box=None):
    embedding = encoded(model, seed, box)
    rows, columns = embedding.grid
    masks = torch.zeros(2, 4 * rows, 4 * columns)
    masks[0, 2:9, 3:12] = 1
    masks[1, 12:20, 14:30] = 1
    return remember(model, embedding, masks, cell_coverage(masks, embedding.grid))


@torch.inference_mode()
def test_objects_read_the_same_in_company_and_alone(model):
    first, second = memories(model, 1), memories(model, 2)
    asked = [
        Recalled((first[0], second[0]), second[0], (0.0, 0.0), 0.5),
        Recalled((first[1], second[1]), second[1], (0.0, 0.0), 0.5),
        Recalled((first[1],), first[1], (3.0, -2.0), 0.5),
        Recalled((first[1],), second[1], (0.0, 0.0), 0.0),
    ]
    embedding = model.encode(picture(3))
    prior = torch.rand(4, PRIOR_CHANNELS, *embedding.grid)
    together = recall(model.readout, embedding, asked, prior)
    for number, one in enumerate(asked):
        alone = recall(model.readout, embedding, [one], prior[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_what_was_read_ahead_is_used_for_the_same_memories_only(model):
    first, second = memories(model, 1), memories(model, 2)
    embedding = model.encode(picture(3))
    prior = torch.rand(2, PRIOR_CHANNELS, *embedding.grid)

    def asked(*long_term):
        return [Recalled(one, second[n], (0.0, 0.0), 0.5) for n, one in enumerate(long_term)]

    same = asked((first[0], second[0]), (first[1],))
    other = asked((first[0],), (first[1],))
    expected = [recall(model.readout, embedding, some, prior) for some in (same, other)]
    ahead = recall_ahead(model.readout, embedding, [one.long_term for one in same])
    found = [recall(model.readout, ahead, some, prior) for some in (same, other)]
    assert all(map(torch.equal, found, expected))
    assert not torch.equal(*found)

    ahead = replace(ahead, readings=torch.zeros_like(ahead.readings))
    assert not torch.equal(recall(model.readout, ahead, same, prior), expected[0])
    assert torch.equal(recall(model.readout, ahead, other, prior), expected[1])


@torch.inference_mode()
def test_without_a_share_of_the_prior_places_do_not_matter(model):
    (memory, _), embedding = memories(model, 1), model.encode(picture(3))
    moved = replace(memory, extent=(40.0, 40.0, 168.0, 136.0))
    prior = torch.zeros(1, PRIOR_CHANNELS, *embedding.grid)

    def read(recent, share):
        one = Recalled((memory,), recent, (0.0, 0.0), share)
        return recall(model.readout, embedding, [one], prior)

    assert torch.equal(read(memory, 0.0), read(moved, 0.0))
    assert not torch.allclose(read(memory, 0.5), read(moved, 0.5))


@torch.inference_mode()
def test_a_view_knows_where_its_cells_are(model):
    """Moving the object by as much as the view makes no difference to a reader in that view."""
    view, other = (0, 0, 64, 48), (32, 24, 96, 72)
    (here, _), (there, _) = memories(model, 1, view), memories(model, 1, other)
    assert here.extent == (0, 0, 64, 48)
    assert there.extent == (32, 24, 96, 72)
    seen = encoded(model, 3, other)
    prior = torch.zeros(1, PRIOR_CHANNELS, *seen.grid)
    shifted = replace(here, extent=there.extent)
    still = Recalled((here,), shifted, (0.0, 0.0), 0.7)
    expected = Recalled((here,), here, (32.0, 24.0), 0.7)
    torch.testing.assert_close(
        recall(model.readout, seen, [still], prior), recall(model.readout, seen, [expected], prior)
    )


def test_others_are_all_but_the_object_itself():
    masks = torch.tensor([[0.1, 0.9, 0.0], [0.8, 0.3, 0.0], [0.2, 0.4, 0.0]])[:, None]
    expected = [[0.8, 0.4, 0.0], [0.2, 0.9, 0.0], [0.8, 0.9, 0.0]]
    torch.testing.assert_close(others(masks)[:, 0], torch.tensor(expected))
    assert (others(masks[:1]) == 0).all()
