"""Recall: read the memories of N objects for a frame.

Objects that remember the same frames share the affinities of the cells. See
``persam_video.sam.readout`` for the method.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from persam_video.persam.matching import Memory
from persam_video.sam.model import ImageEmbedding
from persam_video.sam.readout import MemoryReadout, distances


@dataclass(frozen=True)
class Recalled:
    """The memories to read for one object.

    Attributes:
        long_term: the annotated frame, and good past ones.
        recent: the last good frame.
        moved: (x, y) expected displacement since the last frame, in frame pixels.
        share: share of the temporal prior, 0 to 1: how much less distant cells count.
        step: number of the frame that reads, among those that the tracker took.
    """

    long_term: tuple[Memory, ...]
    recent: Memory
    moved: tuple[float, float]
    share: float
    step: int = 0


def recall(
    readout: MemoryReadout, embedding: ImageEmbedding, objects: Sequence[Recalled], prior: Tensor
) -> Tensor:
    """Read the memories of objects, and embed the readings as a dense prompt.

    Args:
        readout: readout of the model that made the memories' values.
        embedding: of the frame.
        objects: memories of N objects.
        prior: (N, 3, h, w), see ``persam_video.sam.readout.MemoryReadout.embed``.

    Returns:
        (N, C, h, w).
    """
    long_term = _read_shared(readout, embedding, [o.long_term for o in objects], None)
    local = [(o.moved, o.share) for o in objects]
    recent = _read_shared(readout, embedding, [(o.recent,) for o in objects], local)
    return readout.embed(long_term, recent, prior).float()


_Local = tuple[tuple[float, float], float]


def _read_shared(
    readout: MemoryReadout,
    embedding: ImageEmbedding,
    memories: Sequence[tuple[Memory, ...]],
    local: Sequence[_Local] | None,
) -> Tensor:
    """Read each object's memories (N, V, h, w), comparing shared frames once."""
    shared: dict[object, list[int]] = {}
    for number, remembered in enumerate(memories):
        frames = tuple(id(memory.keys) for memory in remembered)
        shared.setdefault((frames, None if local is None else local[number]), []).append(number)
    found: dict[int, Tensor] = {}
    for numbers in shared.values():
        first = memories[numbers[0]]
        keys = torch.cat([memory.keys.flatten(2) for memory in first], dim=2)
        values = torch.stack([_values(memories[number]) for number in numbers])
        distance = None
        if local is not None:
            moved, share = local[numbers[0]]
            distance = share * _distances(embedding, first[0], moved)[None]
        read = readout.read(embedding.keys, keys, values.flatten(0, 1)[None], distance)
        for number, part in zip(numbers, read[0].chunk(len(numbers)), strict=True):
            found[number] = part
    return torch.stack([found[number] for number in range(len(memories))])


def _values(remembered: tuple[Memory, ...]) -> Tensor:
    parts = [memory.values.flatten(1) for memory in remembered if memory.values is not None]
    return torch.cat(parts, dim=1)


def _distances(embedding: ImageEmbedding, memory: Memory, moved: tuple[float, float]) -> Tensor:
    """Return squared distances (h*w, g*v) between cells, in cells of the embedding."""
    here, there = embedding.transform.extent, memory.extent
    rows, columns = embedding.grid
    other_rows, other_columns = memory.coverage.shape
    side = embedding.cell_sides
    places = (
        _centres(here[1], here[3], rows) / side[1],
        (_centres(there[1], there[3], other_rows) + moved[1]) / side[1],
        _centres(here[0], here[2], columns) / side[0],
        (_centres(there[0], there[2], other_columns) + moved[0]) / side[0],
    )
    return distances(*(place.to(embedding.keys.device) for place in places))


def _centres(begin: float, end: float, count: int) -> Tensor:
    return begin + (torch.arange(count) + 0.5) * ((end - begin) / count)
