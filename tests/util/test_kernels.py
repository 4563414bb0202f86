import os
import subprocess
import sys

import pytest
import torch

KERNELS = """
import sys
from persam_video.util.kernels import bound_kernel_caches
bound_kernel_caches()
import torch
weight = torch.ones(8, 8, 3, 3)
for height in range(64, 64 + int(sys.argv[1])):  # torch convolves smaller ones by itself
    torch.conv2d(torch.ones(1, 8, height, 64), weight)
print("again", flush=True)
torch.conv2d(torch.ones(1, 8, 64, 64), weight)
"""


@pytest.mark.parametrize(("shapes", "kept"), [(50, True), (250, False)])
def test_kernels_for_shapes_that_come_no_more_are_dropped(shapes, kept):
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build of torch has no oneDNN")
    # no environment of ours: it may name other capacities
    clean = {k: v for k, v in os.environ.items() if not k.endswith("CACHE_CAPACITY")}
    done = subprocess.run(
        [sys.executable, "-c", KERNELS, str(shapes)],
        check=True,
        capture_output=True,
        text=True,
        env=clean | {"ONEDNN_VERBOSE": "2"},
    )
    before, _, again = done.stdout.partition("again")
    assert "create:cache_miss" in before
    assert ("create:cache_miss" in again) != kept


def test_the_environment_says_how_many_kernels_to_keep():
    program = (
        "import os; from persam_video.util.kernels import bound_kernel_caches as bound; bound()\n"
        "print(*(os.environ[n] for n in ('LRU_CACHE_CAPACITY', 'ONEDNN_PRIMITIVE_CACHE_CAPACITY')))"
    )
    environment = dict(os.environ, LRU_CACHE_CAPACITY="5")
    environment.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.split() == ["5", "192"]
