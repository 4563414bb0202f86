"""A tracker's state as a file, from which an interrupted run goes on.

The file is in the safetensors format, which holds numbers only: reading one runs no code. All that
is not a tensor stands as JSON in its metadata.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from persam_video.atomic import write_bytes
from persam_video.errors import OutputError
from persam_video.masks.boxes import Box
from persam_video.persam.matching import Memory
from persam_video.tracking.objects import TrackedObject, TrackerState
from persam_video.tracking.result import ObjectState

_HEADER = "persam-video"


@dataclass(frozen=True)
class Snapshot:
    """How far a run had come, and the tracker's state there.

    Attributes:
        frames: frames tracked so far.
        last: index of the last of them in the source.
        state: of the tracker after that frame.
    """

    frames: int
    last: int
    state: TrackerState


class _StoredTensor(BaseModel):
    """A tensor's name in the file, and how it lay in memory.

    The layout is kept because the order in which a product adds up depends on it.
    """

    name: str
    stride: tuple[int, ...]


class _StoredMemory(BaseModel):
    keys: _StoredTensor
    coverage: _StoredTensor


class _StoredObject(BaseModel):
    object_id: int
    target: _StoredTensor
    reference: _StoredMemory
    recent: _StoredMemory
    mask: _StoredTensor
    box: Box
    weights: _StoredTensor | None
    velocity: tuple[float, float]
    likeness: float | None
    state: ObjectState
    streak: int


class _Header(BaseModel):
    version: Literal[1] = 1
    frames: int
    last: int
    frame_size: tuple[int, int] | None
    steps: int
    objects: list[_StoredObject]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot, whole or not at all; one that is there is replaced.

    Raises:
        OutputError: the file cannot be written.
    """
    shelf = _Shelf()
    state = snapshot.state
    header = _Header(
        frames=snapshot.frames,
        last=snapshot.last,
        frame_size=state.frame_size,
        steps=state.steps,
        objects=[_pack(each, shelf) for each in state.objects],
    )
    # not by the library's own writing, whose errors hide what the system says
    write_bytes(path, save(shelf.tensors, metadata={_HEADER: header.model_dump_json()}))


def read_snapshot(path: Path, device: torch.device) -> Snapshot:
    """Read a snapshot.

    Args:
        path: the file.
        device: where the tensors go.

    Raises:
        OutputError: the file cannot be read or is not a snapshot of this version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = _Header.model_validate_json((file.metadata() or {}).get(_HEADER, ""))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        memory = _Unpacker(tensors, device)
        objects = tuple(_unpack(each, memory) for each in header.objects)
    except (OSError, SafetensorError, ValidationError, LookupError, RuntimeError) as error:
        problem = str(error).splitlines()[0]
        raise OutputError(f"{path}: is not a snapshot of a run ({problem}); remove it") from error
    state = TrackerState(header.frame_size, header.steps, objects)
    return Snapshot(header.frames, header.last, state)


@dataclass
class _Shelf:
    """Tensors that go into one file; what several objects share goes in once."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    _stored: dict[int, _StoredTensor] = field(default_factory=dict)

    def put(self, tensor: Tensor) -> _StoredTensor:
        if id(tensor) not in self._stored:
            stored = _StoredTensor(name=str(len(self.tensors)), stride=tensor.stride())
            # a copy: safetensors takes neither views nor other layouts
            contiguous = torch.empty(tensor.shape, dtype=tensor.dtype)
            self.tensors[stored.name] = contiguous.copy_(tensor)
            self._stored[id(tensor)] = stored
        return self._stored[id(tensor)]

    def put_memory(self, memory: Memory) -> _StoredMemory:
        return _StoredMemory(keys=self.put(memory.keys), coverage=self.put(memory.coverage))


@dataclass
class _Unpacker:
    """Tensors out of one file, each made once and then shared."""

    tensors: Mapping[str, Tensor]
    device: torch.device
    _made: dict[str, Tensor] = field(default_factory=dict)

    def get(self, stored: _StoredTensor) -> Tensor:
        if stored.name not in self._made:
            tensor = self.tensors[stored.name]
            empty = torch.empty_strided(
                tensor.shape, stored.stride, dtype=tensor.dtype, device=self.device
            )
            self._made[stored.name] = empty.copy_(tensor)
        return self._made[stored.name]

    def get_memory(self, stored: _StoredMemory) -> Memory:
        return Memory(self.get(stored.keys), self.get(stored.coverage))


def _pack(each: TrackedObject, shelf: _Shelf) -> _StoredObject:
    return _StoredObject(
        object_id=each.object_id,
        target=shelf.put(each.target),
        reference=shelf.put_memory(each.reference),
        recent=shelf.put_memory(each.recent),
        mask=shelf.put(each.mask),
        box=each.box,
        weights=None if each.weights is None else shelf.put(each.weights),
        velocity=(float(each.velocity[0]), float(each.velocity[1])),
        likeness=each.likeness,
        state=each.state,
        streak=each.streak,
    )


def _unpack(stored: _StoredObject, memory: _Unpacker) -> TrackedObject:
    return TrackedObject(
        object_id=stored.object_id,
        target=memory.get(stored.target),
        reference=memory.get_memory(stored.reference),
        recent=memory.get_memory(stored.recent),
        mask=memory.get(stored.mask),
        box=stored.box,
        weights=None if stored.weights is None else memory.get(stored.weights),
        velocity=np.array(stored.velocity),
        likeness=stored.likeness,
        state=stored.state,
        streak=stored.streak,
    )
