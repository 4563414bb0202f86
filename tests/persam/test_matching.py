import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from persam_video.persam.matching import Memory, match_memories, matching_maps

CELLS = (5, 7)
EXTENT = (0.0, 0.0, 112.0, 80.0)


def keys_of(generator: torch.Generator) -> torch.Tensor:
    return F.normalize(torch.randn(1, 16, *CELLS, generator=generator), dim=1)


def coverage_of(generator: torch.Generator, share: float) -> torch.Tensor:
    """Draw a coverage in which about such a share of the cells is touched by the object."""
    drawn = torch.rand(CELLS, generator=generator)
    return torch.where(drawn < share, drawn / max(share, 1e-6), torch.zeros_like(drawn))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    images=st.lists(st.integers(0, 2), min_size=1, max_size=6),
    share=st.sampled_from([0.0, 0.05, 0.4, 1.0]),
)
def test_sharing_changes_nothing(seed, images, share):
    generator = torch.Generator().manual_seed(seed)
    keys, remembered = keys_of(generator), [keys_of(generator) for _ in range(3)]
    memories = [Memory(remembered[i], coverage_of(generator, share), EXTENT) for i in images]
    alone = [matching_maps(keys, m.keys, m.coverage[None])[0] for m in memories]
    torch.testing.assert_close(match_memories(keys, memories), torch.stack(alone))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.05, 0.4]))
def test_maps_are_the_nearest_neighbours(seed, share):
    generator = torch.Generator().manual_seed(seed)
    keys, remembered = keys_of(generator), keys_of(generator)
    coverage = coverage_of(generator, share)
    maps = match_memories(keys, [Memory(remembered, coverage, EXTENT)])[0]
    best = float(coverage.max())
    for row in range(CELLS[0]):
        for column in range(CELLS[1]):
            alike, unlike = [-1.0], [-1.0]
            for y in range(CELLS[0]):
                for x in range(CELLS[1]):
                    likeness = float(keys[0, :, row, column] @ remembered[0, :, y, x])
                    covered = float(coverage[y, x])
                    if covered > 0 and covered >= 0.5 * best:
                        alike.append(likeness)
                    elif covered < 0.25:
                        unlike.append(likeness)
            torch.testing.assert_close(
                maps[:, row, column].tolist(), [max(alike), max(unlike)], atol=1e-5, rtol=0
            )
