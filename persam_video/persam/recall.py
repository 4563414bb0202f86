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
from persam_video.sam.readout import Distances, MemoryReadout


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
        (N, C, h, w), in the precision of the readout.
    """
    long_term = _read_shared(readout, embedding, [o.long_term for o in objects], None)
    local = [(o.moved, o.share) for o in objects]
    recent = _read_shared(readout, embedding, [(o.recent,) for o in objects], local)
    return readout.embed(long_term, recent, prior)


_Local = tuple[tuple[float, float], float]


def _read_shared(
    readout: MemoryReadout,
    embedding: ImageEmbedding,
    memories: Sequence[tuple[Memory, ...]],
    local: Sequence[_Local] | None,
) -> Tensor:
    """Read each object's memories (N, V, h, w), comparing shared frames once.

    Args:
        readout: readout of the model that made the memories' values.
        embedding: of the frame.
        memories: of each object.
        local: of each object's last frame, how the object has moved since, and the prior's share;
            ``None`` for the long-term memory.
    """
    shared: dict[tuple[int, ...], dict[_Local | None, list[int]]] = {}
    for number, remembered in enumerate(memories):
        frames = tuple(id(memory.keys) for memory in remembered)
        alike = shared.setdefault(frames, {})
        alike.setdefault(None if local is None else local[number], []).append(number)
    found: dict[int, Tensor] = {}
    for groups in shared.values():
        first = memories[next(iter(groups.values()))[0]]
        keys = torch.cat([memory.keys.flatten(2) for memory in first], dim=2)
        affinities = readout.affinities(embedding.keys, keys, recent=local is not None)
        for where, numbers in groups.items():
            near = affinities
            if where is not None:
                near = near - readout.far(_distances(embedding, first[0], *where))
            values = torch.cat([_values(memories[number]) for number in numbers])
            read = readout.read(near, values[None], embedding.grid)[0]
            found.update(zip(numbers, read.chunk(len(numbers)), strict=True))
    return torch.stack([found[number] for number in range(len(memories))])


def _values(remembered: tuple[Memory, ...]) -> Tensor:
    parts = [memory.values.flatten(1) for memory in remembered if memory.values is not None]
    return torch.cat(parts, dim=1)


def _distances(
    embedding: ImageEmbedding, memory: Memory, moved: tuple[float, float], share: float
) -> Distances:
    """Return the distances from cells of the embedding, in its cells, times the prior's share."""
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
    return Distances.between(*(place.to(embedding.keys.device) for place in places)).shared(share)


def _centres(begin: float, end: float, count: int) -> Tensor:
    return begin + (torch.arange(count) + 0.5) * ((end - begin) / count)
