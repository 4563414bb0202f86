"""Memory that runs out, for real: in a process that may not have more."""

import subprocess
import sys

import pytest
import torch

from persam_video.errors import ModelError
from persam_video.sam.memory import decode_in_parts, explained, is_out_of_memory
from persam_video.sam.prompts import MaskPrediction, Prompts

# Decodes 120 objects without a limit and with one that does not suffice for all of them at once.
SCRIPT = """
import resource, sys
import numpy as np, torch
from persam_video.sam import load_sam
from persam_video.sam import model as module
from persam_video.sam.prompts import Prompts

torch.set_num_threads(1)
sam = load_sam("lite", precision="fp32", image_size=256, device="cpu")
rgb = np.random.default_rng(0).integers(0, 255, (120, 200, 3), np.uint8)
embedding = sam.encode(rgb)
places = torch.rand(120, 1, 2, generator=torch.Generator().manual_seed(0)) * 100
prompts = Prompts(points=places, point_labels=torch.ones(120, 1))
sam.decode(embedding, prompts.take(torch.arange(2)))
sizes = []
decode = sam._decode
def counted(embedding, prompts):
    sizes.append(len(prompts))
    return decode(embedding, prompts)
sam._decode = counted
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (96 << 20), resource.RLIM_INFINITY))
answer = sam.decode(embedding, prompts)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sam._decode = decode
assert len(sizes) > 1, "the limit was no obstacle"
assert torch.allclose(answer.logits, sam.decode(embedding, prompts).logits, atol=1e-3)
print(max(sizes[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set as on Linux")
def test_objects_that_do_not_fit_together_are_decoded_in_parts():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 120


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
    with pytest.raises(ModelError, match="out of memory while decoding an object: give a smaller"):
        decode_in_parts(too_many(0, MemoryError()), prompts)


def test_other_errors_pass():
    fault = RuntimeError("shapes do not fit")
    assert not is_out_of_memory(fault)
    with pytest.raises(RuntimeError, match="shapes"):
        decode_in_parts(too_many(0, fault), Prompts(points=torch.zeros(4, 1, 2)))
    with pytest.raises(RuntimeError, match="shapes"), explained("testing"):
        raise fault
