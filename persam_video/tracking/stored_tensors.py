"""Tensors in one safetensors file: what is shared goes in once, and each comes out as it lay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from pydantic import BaseModel
from torch import Tensor


class StoredTensor(BaseModel):
    """A tensor's name in the file, and how it lay in memory.

    The layout is kept because the order in which a product adds up depends on it.
    """

    name: str
    stride: tuple[int, ...]


@dataclass
class TensorShelf:
    """Tensors that go into one file.

    Attributes:
        tensors: contiguous copies by name, as safetensors takes them.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    _stored: dict[int, StoredTensor] = field(default_factory=dict)

    def put(self, tensor: Tensor) -> StoredTensor:
        """Add a tensor, which must live as long as the shelf; a second time does nothing."""
        if id(tensor) not in self._stored:
            stored = StoredTensor(name=str(len(self.tensors)), stride=tensor.stride())
            # a copy: safetensors takes neither views nor other layouts
            contiguous = torch.empty(tensor.shape, dtype=tensor.dtype)
            self.tensors[stored.name] = contiguous.copy_(tensor)
            self._stored[id(tensor)] = stored
        return self._stored[id(tensor)]


@dataclass
class TensorUnpacker:
    """Tensors out of one file, each made once and then shared.

    Attributes:
        tensors: by name, as they are in the file.
        device: where they go.
    """

    tensors: Mapping[str, Tensor]
    device: torch.device
    _made: dict[str, Tensor] = field(default_factory=dict)

    def get(
        self, stored: StoredTensor, shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return a tensor in the layout that it had.

        Args:
            stored: where it is.
            shape: that it must have.
            dtype: that it must have.

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
    """Whether strides lay a tensor out without gaps, in whatever order of its dimensions."""
    if len(stride) != tensor.dim() or not all(0 < each <= tensor.numel() for each in stride):
        return False
    span = 1
    for step, length in sorted(zip(stride, tensor.shape, strict=True)):
        if length > 1:  # the stride of a single one does not matter
            if step != span:
                return False
            span *= length
    return True
