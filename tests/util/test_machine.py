import os
import subprocess
import sys

import numpy as np
import pytest

from persam_video.util.machine import available_cores, peak_resident_bytes


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_the_peak_grows_with_what_is_held_and_stays():
    before = peak_resident_bytes()
    assert 10 * 2**20 < before < 2**40
    held = np.ones(before + 64 * 2**20, np.uint8)  # more than was ever held at once
    peak = peak_resident_bytes()
    assert peak >= before + 64 * 2**20
    del held
    assert peak_resident_bytes() >= peak - 2**20


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_only_the_cores_that_may_be_used_count():
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from persam_video.util.machine import available_cores; print(available_cores())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
    assert 1 <= available_cores() <= len(os.sched_getaffinity(0))
