"""Use less memory when it runs out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from persam_video.errors import ModelError
from persam_video.sam.prompts import MaskPrediction, Prompts

# Not every device and release of torch raises a distinct error when memory runs out.
_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an out-of-memory error into one that a user can act on.

    Args:
        what: the failing step, such as "encoding a frame".

    Raises:
        ModelError: memory ran out in the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            f"out of memory while {what}: use a smaller model or model.image_size, "
            "or another --device"
        ) from error


def decode_in_parts(
    decode: Callable[[Prompts], MaskPrediction], prompts: Prompts
) -> MaskPrediction:
    """Decode all objects together, or in ever smaller parts if memory does not suffice.

    Objects are decoded independently, so the result is the same.

    Args:
        decode: decodes the prompts of some objects.
        prompts: prompts of N objects.

    Returns:
        The prediction for N objects, in order.

    Raises:
        ModelError: memory does not suffice for one object.
    """
    count = len(prompts)
    if count <= 1:
        with explained("decoding an object"):
            return decode(prompts)
    try:
        return decode(prompts)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # outside the handler, whose traceback would keep the failed attempt's tensors alive
    for backend in (torch.cuda, torch.mps):
        if backend.is_available():
            backend.empty_cache()
    everyone = torch.arange(count)
    parts = [
        decode_in_parts(decode, prompts.take(part))
        for part in (everyone[: count // 2], everyone[count // 2 :])
    ]
    return MaskPrediction.concatenate(parts)
