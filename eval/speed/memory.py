"""Peak memory of a whole run, measured in a process of its own."""

import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

from eval.speed.scenes import balls
from persam_video.masks.png import write_label_png
from persam_video.video.writer import VideoWriter

_RUN = """
import sys
from persam_video.run import track_to_folder
print(track_to_folder(sys.argv[1], sys.argv[2], sys.argv[3]).peak_memory / 2**20)
"""


def peak_memory(frames: int) -> float:
    """Track one object through a 1080p video with the embedded model; return the peak in MiB."""
    scene = balls(1, frames, size=(1920, 1080))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with VideoWriter(folder / "clip.mp4", size=(1920, 1080), fps=Fraction(25)) as video:
            for rgb in scene.frames:
                video.write(rgb)
        write_label_png(folder / "mask.png", scene.labels)
        paths = [str(folder / part) for part in ("clip.mp4", "mask.png", "out")]
        run = subprocess.run(
            [sys.executable, "-c", _RUN, *paths], capture_output=True, text=True, check=True
        )
    return float(run.stdout.split()[-1])
