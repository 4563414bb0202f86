"""Whole runs of ``track``: in this process, and as a program that is started for each."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from eval.speed.scenes import balls
from eval.speed.timing import Spent
from persam_video.masks.png import write_label_png
from persam_video.run import track_to_folder
from persam_video.sam.model import SamModel
from persam_video.video.writer import VideoWriter

_PROGRAM = (sys.executable, "-m", "persam_video")
_POLL = 0.005  # seconds

_PEAK = """
import sys
from persam_video.run import track_to_folder
print(track_to_folder(sys.argv[1], sys.argv[2], sys.argv[3]).peak_memory / 2**20)
"""


@dataclass(frozen=True)
class Film:
    """A video of one rolling ball, with the mask of its first frame, in a folder for results."""

    video: Path
    mask: Path
    out: Path

    def track(self, model: SamModel) -> Spent:
        """Decode, track, draw and encode the video."""
        track_to_folder(self.video, self.mask, self.out, model=model, overwrite=True)
        return Spent()

    def peak_memory(self) -> float:
        """Return the peak resident memory in MiB of a process that tracks the video."""
        paths = map(str, (self.video, self.mask, self.out))
        run = subprocess.run(
            [sys.executable, "-c", _PEAK, *paths], capture_output=True, text=True, check=True
        )
        return float(run.stdout.split()[-1])

    def seconds_to_first_mask(self) -> float:
        """Start the program, and return the seconds until it has written its first mask."""
        out = self.out.with_name("started")
        words = ("track", self.video, "--mask", self.mask, "--out", out, "--overwrite", "--quiet")
        first = out / "masks" / "00000.png"
        first.unlink(missing_ok=True)
        begun = time.perf_counter()
        command = [*_PROGRAM, *map(str, words)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as program:
            while program.poll() is None and not first.exists():
                time.sleep(_POLL)
            seconds = time.perf_counter() - begun
            program.terminate()
        if not first.exists():
            raise RuntimeError("the program ended without a mask")
        return seconds


def seconds_of_help() -> float:
    """Return the seconds that the program takes to print its help."""
    begun = time.perf_counter()
    subprocess.run([*_PROGRAM, "--help"], capture_output=True, check=True)
    return time.perf_counter() - begun


@contextmanager
def film(frames: int, size: tuple[int, int]) -> Iterator[Film]:
    """Write a film of (width, height), which is removed after the block."""
    scene = balls(1, frames, size)
    with tempfile.TemporaryDirectory() as name:
        made = Film(*(Path(name) / part for part in ("clip.mp4", "mask.png", "out")))
        with VideoWriter(made.video, size=size, fps=Fraction(25)) as video:
            for rgb in scene.frames:
                video.write(rgb)
        write_label_png(made.mask, scene.labels)
        yield made
