"""Accepting callers' arrays and tensors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(value: Any) -> NDArray[Any] | None:
    """Return an array or torch tensor as a NumPy array, or ``None`` for anything else.

    The memory may be shared with the caller. A tensor may be on any device; torch is not imported.
    A masked array is something else, as what it hides would be taken for data, and so are tensors
    without a value for each element: sparse ones, and those of the device ``meta``.
    """
    is_tensor = type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")
    if is_tensor:
        if str(value.layout) != "torch.strided" or value.is_meta or value.is_quantized:
            return None
        # NumPy has no bfloat16
        tensor = value.detach().cpu()
        value = tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
    is_plain = isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray)
    return value if is_plain else None


def kind_of(value: Any) -> str:
    """Describe a value: dtype and shape of an array or tensor, the type of anything else."""
    if as_array(value) is None:
        layout, device = getattr(value, "layout", None), getattr(value, "device", None)
        return f"of type {type(value).__name__}" + (
            "" if layout is None else f" ({layout}, on {device})"
        )
    return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
