"""Memory stays flat over a long clip."""

import subprocess
import sys

import pytest

from tests.studio.conftest import draw

CHILD = """
import resource, sys
from persam_video.config import load_settings
from persam_video.studio import InteractiveSession

settings = load_settings("persam", {"model.image_size": 128, "model.device": "cpu"})
session = InteractiveSession(sys.argv[1], sys.argv[2], settings=settings)
session.add_object()
session.stroke(0, 1, [(19.5, 19.5)], 8)

def kilobytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

marks = []
for result in session.propagate(0):
    if result.index in (60, 239):
        marks.append(kilobytes())
assert len(session.journal.frames) == 240
for index in range(0, 240, 3):
    session.frame(index), session.result(index)
session.close()
print(*marks, kilobytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_many_frames_take_no_more_memory_than_a_few(tmp_path):
    clip = draw(tmp_path / "frames", length=240)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, clip.frames, tmp_path / "session"],
        capture_output=True,
        text=True,
        check=True,
    )
    early, late, end = map(int, done.stdout.split())
    assert late - early < 6 * 1024  # less than a frame and its embedding for each
    # frames that were looked at may be kept, up to what the cache holds
    assert end - late < 60 * 1024
