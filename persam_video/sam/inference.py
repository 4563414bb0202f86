"""Computing apart from what the caller has set for torch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_DEVICES = ("cpu", "cuda", "mps")


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients, and in the types of the operands whatever autocast is on.

    Serves as a decorator, too. The precision is the model's own; under a caller's autocast, masks
    would depend on who calls.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        for device in _DEVICES:
            if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
