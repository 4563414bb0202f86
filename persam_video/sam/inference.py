"""Inference independent of the caller's torch settings."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_DEVICES = ("cpu", "cuda", "mps")


@contextmanager
def inference() -> Iterator[None]:
    """Compute without gradients, and in the dtypes of the operands even under autocast.

    Also usable as a decorator. The precision is the model's own; under a caller's autocast, masks
    would depend on the caller.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        for device in _DEVICES:
            if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
