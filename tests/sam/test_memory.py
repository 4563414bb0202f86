"""Memory that runs out: fewer objects at a time, and one line when not even one fits."""

import pytest
import torch

from persam_video.errors import ModelError
from persam_video.sam.memory import decode_in_parts, explained, is_out_of_memory
from persam_video.sam.prompts import MaskPrediction, Prompts


def answer(prompts):
    values = prompts.points[:, :, 0]
    return MaskPrediction(values[:, :, None, None], values)


def too_many(most, error):
    def decode(prompts):
        if len(prompts) > most:
            raise error
        return answer(prompts)

    return decode


@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("MPS backend out of memory"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_parts_keep_the_order(count, error):
    prompts = Prompts(points=torch.arange(float(2 * count)).view(count, 1, 2))
    parts = decode_in_parts(too_many(1, error), prompts)
    assert torch.equal(parts.logits, answer(prompts).logits)
    assert torch.equal(parts.iou, answer(prompts).iou)


def test_one_object_that_does_not_fit_is_one_clear_line():
    prompts = Prompts(points=torch.zeros(4, 1, 2))
    with pytest.raises(ModelError, match="out of memory while decoding an object: use a smaller"):
        decode_in_parts(too_many(0, MemoryError()), prompts)


def test_other_errors_pass():
    fault = RuntimeError("shapes do not fit")
    assert not is_out_of_memory(fault)
    with pytest.raises(RuntimeError, match="shapes"):
        decode_in_parts(too_many(0, fault), Prompts(points=torch.zeros(4, 1, 2)))
    with pytest.raises(RuntimeError, match="shapes"), explained("testing"):
        raise fault
