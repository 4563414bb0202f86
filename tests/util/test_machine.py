import sys

import numpy as np
import pytest

from persam_video.util.machine import peak_resident_bytes


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_the_peak_grows_with_what_is_held_and_stays():
    before = peak_resident_bytes()
    assert 10 * 2**20 < before < 2**40
    held = np.ones(before + 64 * 2**20, np.uint8)  # more than was ever held at once
    peak = peak_resident_bytes()
    assert peak >= before + 64 * 2**20
    del held
    assert peak_resident_bytes() >= peak - 2**20
