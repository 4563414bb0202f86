"""A tracker's state as a file, from which an interrupted run continues.

The file is in the safetensors format, which holds only numbers: reading it runs no code. Everything
that is not a tensor is JSON in its metadata.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
import torch
from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from persam_video.errors import OutputError
from persam_video.masks.boxes import Box, clip
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.persam.matching import Memory
from persam_video.results import ObjectState
from persam_video.sam.model import ImageEmbedding, ValueLayout
from persam_video.sam.transform import View
from persam_video.tracking.objects import TrackedObject, TrackerState
from persam_video.util.atomic import write_bytes
from persam_video.video.cuts import PICTURE_SHAPE

ValueLayouts: TypeAlias = Callable[[tuple[int, int]], ValueLayout | None]
"""The layout of the values in memories of a grid (h, w); ``None`` for a model without them."""


class StoredTensor(BaseModel):
    """A tensor's name in the file, and its layout in memory.

    The layout is kept because the order of summation in products depends on it.
    """

    name: str
    stride: tuple[int, ...]


@dataclass
class TensorShelf:
    """Tensors that go into one file.

    Attributes:
        tensors: contiguous copies by name, as safetensors needs them.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    _stored: dict[int, StoredTensor] = field(default_factory=dict)

    def put(self, tensor: Tensor) -> StoredTensor:
        """Add a tensor, which must outlive the shelf; adding it again does nothing."""
        if id(tensor) not in self._stored:
            stored = StoredTensor(name=str(len(self.tensors)), stride=tensor.stride())
            # a copy, as safetensors takes neither views nor other layouts
            contiguous = torch.empty(tensor.shape, dtype=tensor.dtype)
            self.tensors[stored.name] = contiguous.copy_(tensor)
            self._stored[id(tensor)] = stored
        return self._stored[id(tensor)]


@dataclass
class TensorUnpacker:
    """Tensors from one file, each created once and then shared.

    Attributes:
        tensors: by name, as they are in the file.
        device: device to put them on.
    """

    tensors: Mapping[str, Tensor]
    device: torch.device
    _made: dict[str, Tensor] = field(default_factory=dict)

    def get(
        self, stored: StoredTensor, shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return a tensor in its original layout.

        Args:
            stored: its entry.
            shape: expected shape.
            dtype: expected dtype.

        Raises:
            LookupError: the file has no tensor of this name.
            ValueError: it has another shape or type, or the layout leaves gaps or overlaps.
        """
        tensor = self.tensors[stored.name]
        if tuple(tensor.shape) != tuple(shape) or tensor.dtype != dtype:
            raise ValueError(
                f"tensor {stored.name} is {tensor.dtype} {tuple(tensor.shape)} "
                f"instead of {dtype} {tuple(shape)}"
            )
        if not _is_dense(tensor, stored.stride):
            raise ValueError(f"tensor {stored.name} cannot lie in strides of {stored.stride}")
        if stored.name not in self._made:
            empty = torch.empty_strided(shape, stored.stride, dtype=dtype, device=self.device)
            self._made[stored.name] = empty.copy_(tensor)
        return self._made[stored.name]


def _is_dense(tensor: Tensor, stride: Sequence[int]) -> bool:
    """Whether strides are dense, in any order of the dimensions."""
    if len(stride) != tensor.dim() or not all(0 < step <= tensor.numel() for step in stride):
        return False
    span = 1
    for step, length in sorted(zip(stride, tensor.shape, strict=True)):
        if length > 1:  # the stride of a dimension of size 1 does not matter
            if step != span:
                return False
            span *= length
    return True


_HEADER = "persam-video"
_ROUNDING = 1e-3  # rounding may take a mean of shares this far above 1
_MOST_PAST = 16  # frames that the settings allow
_MOST_ENLARGED = 8  # how much larger than the whole frame's a view's input may be, by the settings


@dataclass(frozen=True)
class Snapshot:
    """Progress of a run, with the tracker's state.

    Attributes:
        frames: frames tracked so far.
        last: index of the last tracked frame in the source.
        state: state of the tracker after that frame.
    """

    frames: int
    last: int
    state: TrackerState


_Side: TypeAlias = Annotated[int, Field(ge=1)]


class _StoredMemory(BaseModel):
    grid: tuple[_Side, _Side]
    keys: StoredTensor
    coverage: StoredTensor
    extent: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    values: StoredTensor | None
    step: NonNegativeInt


class _StoredObject(BaseModel):
    object_id: Annotated[int, Field(ge=1, le=MAX_OBJECT_ID)]
    target: StoredTensor
    reference: _StoredMemory  # the annotated frame, by its name in existing files
    recent: _StoredMemory
    past: Annotated[list[_StoredMemory], Field(max_length=_MOST_PAST)]
    mask: StoredTensor
    box: Box
    weights: StoredTensor | None
    velocity: tuple[FiniteFloat, FiniteFloat]
    likeness: FiniteFloat | None
    state: ObjectState
    streak: NonNegativeInt
    age: NonNegativeInt
    sure: NonNegativeInt


class _StoredView(BaseModel):
    box: Box
    input_size: tuple[_Side, _Side]


class _Header(BaseModel):
    version: Literal[7] = 7
    frames: NonNegativeInt
    last: NonNegativeInt
    frame_size: tuple[int, int] | None
    steps: NonNegativeInt
    objects: list[_StoredObject]
    picture: StoredTensor | None
    planned: tuple[_StoredView | None, _StoredView | None] = (None, None)
    image_size: int | None = None


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot atomically, replacing an earlier one.

    Raises:
        OutputError: the file cannot be written.
    """
    shelf = TensorShelf()
    state = snapshot.state
    next_view, later = (_pack_view(view) for view in state.planned)
    header = _Header(
        frames=snapshot.frames,
        last=snapshot.last,
        frame_size=state.frame_size,
        steps=state.steps,
        objects=[_pack(tracked, shelf) for tracked in state.objects],
        picture=None if state.picture is None else shelf.put(torch.from_numpy(state.picture)),
        planned=(next_view, later),
        image_size=state.image_size,
    )
    # not with the library's own function, whose errors hide those of the system
    write_bytes(path, save(shelf.tensors, metadata={_HEADER: header.model_dump_json()}))


def read_snapshot(
    path: Path, like: ImageEmbedding, *, fitted: bool, values: ValueLayouts
) -> Snapshot:
    """Read a snapshot, if a tracker can continue from it.

    Args:
        path: the file.
        like: embedding of a frame of the run by the model that will continue; the state must have
            its channels and dtypes, and tensors go to its device.
        fitted: whether the objects must have PerSAM-F's mask weights, or none.
        values: that model's ``value_layout``.

    Raises:
        OutputError: the file cannot be read, is not a snapshot of this version, or its state is not
            possible for a tracker of such frames.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = _Header.model_validate_json((file.metadata() or {}).get(_HEADER, ""))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        unpacker = _Unpacker(TensorUnpacker(tensors, like.features.device), like, fitted, values)
        state = unpacker.state(header)
    except (OSError, SafetensorError, ValueError, LookupError, RuntimeError) as error:
        raise OutputError(
            f"{path}: is not a snapshot of this run ({_problem(error)}); remove it"
        ) from error
    return Snapshot(header.frames, header.last, state)


def _problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'header'}: {first['msg']}"
    return str(error).partition("\n")[0]


def _pack_view(view: View | None) -> _StoredView | None:
    return None if view is None else _StoredView(box=view.box, input_size=view.input_size)


def _pack(tracked: TrackedObject, shelf: TensorShelf) -> _StoredObject:
    return _StoredObject(
        object_id=tracked.object_id,
        target=shelf.put(tracked.target),
        reference=_pack_memory(tracked.annotated, shelf),
        recent=_pack_memory(tracked.recent, shelf),
        past=[_pack_memory(memory, shelf) for memory in tracked.past],
        mask=shelf.put(tracked.mask),
        box=tracked.box,
        weights=None if tracked.weights is None else shelf.put(tracked.weights),
        velocity=(float(tracked.velocity[0]), float(tracked.velocity[1])),
        likeness=tracked.likeness,
        state=tracked.state,
        streak=tracked.streak,
        age=tracked.age,
        sure=tracked.sure,
    )


def _pack_memory(memory: Memory, shelf: TensorShelf) -> _StoredMemory:
    rows, columns = memory.coverage.shape
    return _StoredMemory(
        grid=(rows, columns),
        keys=shelf.put(memory.keys),
        coverage=shelf.put(memory.coverage),
        extent=memory.extent,
        values=None if memory.values is None else shelf.put(memory.values),
        step=memory.step,
    )


@dataclass(frozen=True)
class _Unpacker:
    """Reads objects from an untrusted file.

    Attributes:
        tensors: tensors of the file.
        like: an embedding with the expected channels, dtypes and device.
        fitted: whether objects must have mask weights, or none.
        values: gives the expected layout of the memories' values.
    """

    tensors: TensorUnpacker
    like: ImageEmbedding
    fitted: bool
    values: ValueLayouts

    def state(self, header: _Header) -> TrackerState:
        size = self.like.transform.frame_size
        if header.frame_size != size:
            raise ValueError(f"frames are {header.frame_size} instead of {size}")
        if header.image_size != (side := max(self.like.transform.input_size)):
            raise ValueError(f"the input has {header.image_size} pixels instead of {side}")
        ids = [stored.object_id for stored in header.objects]
        if ids != sorted(set(ids)):
            raise ValueError(f"objects are {ids}")
        next_view, later = (self._view(stored) for stored in header.planned)
        objects = tuple(self._object(stored) for stored in header.objects)
        picture = None
        if header.picture is not None:
            stored = self.tensors.get(header.picture, PICTURE_SHAPE, torch.uint8)
            picture = stored.cpu().numpy()
        planned = next_view, later
        return TrackerState(size, header.steps, objects, picture, planned, header.image_size)

    def _view(self, stored: _StoredView | None) -> View | None:
        if stored is None:
            return None
        if clip(stored.box, self.like.transform.frame_size) != stored.box:
            raise ValueError(f"view {stored.box} is not in the frame")
        most = _MOST_ENLARGED * max(self.like.transform.padded_size)
        if max(stored.input_size) > most:
            raise ValueError(f"a view is {stored.input_size} instead of {most} at most")
        return View(stored.box, stored.input_size)

    def _object(self, stored: _StoredObject) -> TrackedObject:
        height, width = size = self.like.transform.frame_size
        if clip(stored.box, size) != stored.box:
            raise ValueError(f"box {stored.box} is not in the frame")
        if any(abs(v) > side for v, side in zip(stored.velocity, (width, height), strict=True)):
            raise ValueError(f"velocity {stored.velocity} leads out of the frame")
        if (stored.weights is not None) != self.fitted:
            raise ValueError("the mask weights are those of another method")
        rows, columns = stored.recent.grid
        return TrackedObject(
            object_id=stored.object_id,
            # target and keys may be NaN, as a model's may: no NaN comes out of the decoder
            target=self.tensors.get(stored.target, self.like.features.shape[1:2]),
            annotated=self._memory(stored.reference),
            recent=self._memory(stored.recent),
            past=tuple(self._memory(memory) for memory in stored.past),
            mask=self._shares(stored.mask, (4 * rows, 4 * columns)),
            box=stored.box,
            weights=None if stored.weights is None else self.tensors.get(stored.weights, (2,)),
            velocity=np.array(stored.velocity),
            likeness=stored.likeness,
            state=stored.state,
            streak=stored.streak,
            age=stored.age,
            sure=stored.sure,
        )

    def _memory(self, stored: _StoredMemory) -> Memory:
        keys, grid = self.like.keys, stored.grid
        if max(grid) > (most := _MOST_ENLARGED * max(self.like.grid)):
            raise ValueError(f"a memory has a grid of {grid} instead of {most} cells at most")
        x0, y0, x1, y1 = stored.extent
        height, width = self.like.transform.frame_size
        # padding extends beyond the frame at the right and at the bottom, by less than its longer
        # side: beyond a thin one by many times the shorter
        farthest = 2 * max(width, height)
        if not (0 <= x0 < x1 <= farthest and 0 <= y0 < y1 <= farthest):
            raise ValueError(f"extent {stored.extent} does not fit the frame")
        layout = self.values(grid)
        if (stored.values is None) != (layout is None):
            raise ValueError("the memory is that of another model")
        # like keys, values may be NaN
        values = (
            None
            if stored.values is None or layout is None
            else self.tensors.get(stored.values, layout.shape, layout.dtype)
        )
        return Memory(
            self.tensors.get(stored.keys, (*keys.shape[:2], *grid), keys.dtype),
            self._shares(stored.coverage, grid),
            stored.extent,
            values,
            stored.step,
        )

    def _shares(self, stored: StoredTensor, shape: tuple[int, int]) -> Tensor:
        shares = self.tensors.get(stored, shape)
        if not ((shares >= 0) & (shares <= 1 + _ROUNDING)).all():
            raise ValueError(f"tensor {stored.name} is not from 0 to 1")
        return shares
