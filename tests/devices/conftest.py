"""A device that is not there, so that what would fail on a GPU fails on any machine.

Its tensors lie in the processor's memory and are computed there. But, like a GPU's, they do not mix
with the processor's, and numpy cannot read them; and MPS has the limits of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter, tree_map

_INDEXING = {Tensor.__getitem__, Tensor.__setitem__}  # take the processor's numbers too
_TO_NUMPY = {Tensor.numpy, Tensor.__array__}
_MOVES = {Tensor.to, Tensor.cpu}
_BOOKKEEPING = {torch._has_compatible_shallow_copy_type}
_AREAS = {F.adaptive_avg_pool2d, F.adaptive_max_pool2d}


class Pretended(Tensor):
    """A tensor of a device that is not there."""

    device = torch.device("cuda", 0)


class PretendedMps(Pretended):
    """A tensor of MPS."""

    device = torch.device("mps", 0)


class PretendedDevice(TorchFunctionMode):
    """Puts tensors on the device, and refuses what it could not do.

    Args:
        kind: of its tensors.
    """

    def __init__(self, kind: type[Pretended]) -> None:
        super().__init__()
        self._kind = kind

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func in _TO_NUMPY and isinstance(args[0], Pretended):
            raise TypeError(f"can't convert {args[0].device} tensor to numpy")
        if func is Tensor.pin_memory:
            return args[0]
        if func is Tensor.copy_:  # from one device to another, too
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **given)
        if func in _MOVES:
            return self._move(func, args, given)
        there = self._made_there(given) or self._among(func, args, given)
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **given)
        return self._placed(result) if there else result

    def _move(self, func: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        target = torch.device("cpu") if func is Tensor.cpu else args[0].device
        kept = []
        for value in args:
            if isinstance(value, torch.device | str) and func is Tensor.to:
                target = torch.device(value)
            else:
                kept.append(value)
        target = torch.device(given.pop("device", None) or target)
        with torch._C.DisableTorchFunctionSubclass():
            moved = func(*kept, **given) if len(kept) > 1 or given else args[0]
            return moved.as_subclass(Tensor) if target.type == "cpu" else self._placed(moved)

    def _made_there(self, given: dict[str, Any]) -> bool:
        device = given.get("device")
        if device is None or torch.device(device).type != self._kind.device.type:
            return False
        del given["device"]
        return True

    def _among(
        self, func: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]
    ) -> bool:
        tensors = [t for t in tree_iter((args, given)) if isinstance(t, Tensor)]
        there = [isinstance(t, Pretended) for t in tensors]
        mixed = [t for t, far in zip(tensors, there, strict=True) if not far and t.dim()]
        if any(there) and mixed and func not in _INDEXING | _BOOKKEEPING:
            raise RuntimeError(
                f"expected all tensors to be on the same device, but found {self._kind.device} "
                f"and cpu (when calling {func.__name__})"
            )
        if self._kind is PretendedMps and any(there):
            _refuse_uneven_areas(func, args, given)
        return any(there)

    def _placed(self, result: Any) -> Any:
        def place(value: Any) -> Any:
            if not isinstance(value, Tensor) or isinstance(value, Pretended):
                return value
            if self._kind is PretendedMps and value.dtype == torch.float64:
                raise TypeError("the MPS framework doesn't support float64")
            return value.as_subclass(self._kind)

        return tree_map(place, result)


def _refuse_uneven_areas(
    func: Callable[..., Any], args: tuple[Any, ...], given: dict[str, Any]
) -> None:
    """Refuse what MPS cannot do (github.com/pytorch/pytorch/issues/96056)."""
    by_area = func is F.interpolate and given.get("mode") == "area"
    if not by_area and func not in _AREAS:
        return
    size = args[1] if len(args) > 1 else given["size" if by_area else "output_size"]
    if any(before % after for before, after in zip(args[0].shape[-2:], size, strict=True)):
        raise RuntimeError("adaptive pool MPS: input sizes must be divisible by output sizes")


@pytest.fixture(params=["cuda", "mps"])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Have a device "cuda" or "mps" while the test runs."""
    name: str = request.param
    kind = {"cuda": Pretended, "mps": PretendedMps}[name]
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, PretendedDevice(kind):
        patch.setattr(getattr(torch, name), "is_available", lambda: True)
        # otherwise a module would take over what parameters hold, without where that is
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        yield name
    torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
