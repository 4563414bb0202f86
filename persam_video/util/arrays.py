"""Accepting callers' arrays and tensors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(value: Any) -> NDArray[Any] | None:
    """Return an array or torch tensor as a NumPy array, or ``None`` for anything else.

    The memory may be shared with the caller. A tensor may be on any device; torch is not imported.
    """
    is_tensor = type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")
    if is_tensor:
        # NumPy has no bfloat16
        tensor = value.detach().cpu()
        value = tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
    return value if isinstance(value, np.ndarray) else None


def kind_of(value: Any) -> str:
    """Describe a value: dtype and shape of an array or tensor, the type of anything else."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    return f"of type {type(value).__name__}"
