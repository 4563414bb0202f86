import pytest
import torch
from torch.nn import functional as F

from persam_video.images.match import match_score
from persam_video.persam.matching import Memory


def keys(*kinds: int) -> torch.Tensor:
    """One row of cells, each of a kind that is at right angles to all others."""
    return F.one_hot(torch.tensor([kinds]), 4).permute(2, 0, 1)[None].float()


def coverage(*shares: float) -> torch.Tensor:
    return torch.tensor([shares])


EXTENT = (0.0, 0.0, 4.0, 1.0)
OBJECT = Memory(keys(1, 2, 0, 0), coverage(1, 1, 0, 0), EXTENT)


def test_the_object_itself_matches_wherever_it_is():
    assert match_score(keys(0, 0, 2, 1), coverage(0, 0, 1, 1), [OBJECT]) == 1


def test_another_object_does_not():
    assert match_score(keys(3, 3, 0, 0), coverage(1, 1, 0, 0), [OBJECT]) == 0


def test_a_part_and_too_much_match_less():
    part = match_score(keys(1, 2, 0, 0), coverage(1, 0, 0, 0), [OBJECT])
    more = match_score(keys(1, 2, 3, 0), coverage(1, 1, 1, 0), [OBJECT])
    assert part == 0.75
    assert more == pytest.approx((2 / 3 + 1) / 2)


def test_the_best_photo_counts_and_nothing_matches_nothing():
    other = Memory(keys(3, 3, 0, 0), coverage(1, 1, 0, 0), EXTENT)
    assert match_score(keys(1, 2, 0, 0), coverage(1, 1, 0, 0), [other, OBJECT]) == 1
    assert match_score(keys(1, 2, 0, 0), coverage(0, 0, 0, 0), [OBJECT]) == 0
    broken = keys(1, 2, 0, 0) * torch.nan
    assert match_score(broken, coverage(1, 1, 0, 0), [OBJECT]) == 0
