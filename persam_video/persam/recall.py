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

_AFFINITIES = 2**20
"""Number of affinities with the long-term memories that are computed at a time."""


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
    memories = [o.long_term for o in objects]
    long_term = _found(embedding, memories)
    if long_term is None:
        long_term = _read_long_term(readout, embedding, memories)
    return readout.embed(long_term, _read_recent(readout, embedding, objects), prior)


@dataclass(frozen=True)
class ReadEmbedding(ImageEmbedding):
    """An embedding with what was read for it from the long-term memories of N objects.

    Attributes:
        memories: of each object.
        readings: (N, V, h, w).
    """

    memories: tuple[tuple[Memory, ...], ...] = ()
    readings: Tensor | None = None


def recall_ahead(
    readout: MemoryReadout, embedding: ImageEmbedding, memories: Sequence[tuple[Memory, ...]]
) -> ReadEmbedding:
    """Read long-term memories for a frame before its turn.

    ``recall`` uses what was read if the objects still have the same memories by then, and reads
    them again otherwise, with the same result.

    Args:
        readout: readout of the model that made the memories' values.
        embedding: of the frame.
        memories: long-term memories of each object.
    """
    return ReadEmbedding(
        embedding.features,
        embedding.transform,
        embedding.keys,
        embedding.skips,
        tuple(memories),
        _read_long_term(readout, embedding, memories),
    )


def _found(embedding: ImageEmbedding, memories: Sequence[tuple[Memory, ...]]) -> Tensor | None:
    """Return what was read ahead from these very memories; ``None`` if they are others."""
    if not isinstance(embedding, ReadEmbedding):
        return None
    wanted, known = (
        [[id(m) for m in one] for one in some] for some in (memories, embedding.memories)
    )
    return embedding.readings if wanted == known else None


def _read_long_term(
    readout: MemoryReadout, embedding: ImageEmbedding, memories: Sequence[tuple[Memory, ...]]
) -> Tensor:
    """Read each object's long-term memories (N, V, h, w), comparing shared frames once."""
    shared: dict[tuple[int, ...], list[int]] = {}
    for number, remembered in enumerate(memories):
        shared.setdefault(tuple(id(memory.keys) for memory in remembered), []).append(number)
    found: dict[int, Tensor] = {}
    for numbers in shared.values():
        first = memories[numbers[0]]
        keys = torch.cat([memory.keys.flatten(2) for memory in first], dim=2)
        values = torch.cat([_values(memories[number]) for number in numbers])[None]
        # a few rows at a time: of all cells, the affinities would take the most memory
        rows = max(1, _AFFINITIES // (keys.shape[2] * embedding.grid[1]))
        read = [
            readout.read(readout.affinities(part, keys), values, (part.shape[2], part.shape[3]))
            for part in torch.split(embedding.keys, rows, dim=2)
        ]
        parts = torch.cat(read, dim=2)[0].chunk(len(numbers))
        found.update(zip(numbers, parts, strict=True))
    return torch.stack([found[number] for number in range(len(memories))])


def _read_recent(
    readout: MemoryReadout, embedding: ImageEmbedding, objects: Sequence[Recalled]
) -> Tensor:
    """Read each object's last frame (N, V, h, w), comparing shared frames once."""
    shared: dict[int, dict[tuple[tuple[float, float], float], list[int]]] = {}
    for number, o in enumerate(objects):
        alike = shared.setdefault(id(o.recent.keys), {})
        alike.setdefault((o.moved, o.share), []).append(number)
    found: dict[int, Tensor] = {}
    for groups in shared.values():
        memory = objects[next(iter(groups.values()))[0]].recent
        affinities = readout.affinities(embedding.keys, memory.keys.flatten(2), recent=True)
        for (moved, share), numbers in groups.items():
            near = affinities - readout.far(_distances(embedding, memory, moved, share))
            values = torch.cat([_values((objects[number].recent,)) for number in numbers])
            read = readout.read(near, values[None], embedding.grid)[0]
            found.update(zip(numbers, read.chunk(len(numbers)), strict=True))
    return torch.stack([found[number] for number in range(len(objects))])


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
