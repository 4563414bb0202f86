"""Run short benchmarks with several workers many times: all must end with status 0, silently.

    python -m eval.worker_runs             # 100 runs; writes eval/results/worker_runs.json
    python -m eval.worker_runs --runs 10

Each run is ``persam-video davis ROOT --out OUT --workers N -q`` on three small sequences, with 2, 3
and 4 workers in turn. Ends with status 1 if a run fails or writes anything to standard error: a
worker that is terminated at the wrong moment would show up there.
"""

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from eval import common
from persam_video.masks.png import write_label_png

LENGTHS = {"left": 3, "middle": 4, "right": 3}
WORKERS = (2, 3, 4)
FAST = "--set model.image_size=128 --device cpu -q"


@dataclass(frozen=True)
class Failure:
    """A run that failed or printed errors."""

    run: int
    workers: int
    status: int
    errors: str


def write_dataset(root: Path) -> None:
    """Write a small DAVIS 2017 folder."""
    for name, length in LENGTHS.items():
        folders = [root / kind / "480p" / name for kind in ("JPEGImages", "Annotations")]
        for folder in folders:
            folder.mkdir(parents=True)
        for index in range(length):
            labels = np.zeros((48, 64), np.uint8)
            labels[10:28, 8 + 3 * index : 26 + 3 * index] = 1
            rgb = np.where(labels[..., None] == 1, np.uint8(220), np.uint8(40)).repeat(3, axis=2)
            Image.fromarray(rgb).save(folders[0] / f"{index:05d}.jpg")
            write_label_png(folders[1] / f"{index:05d}.png", labels)
    names = root / "ImageSets" / "2017" / "val.txt"
    names.parent.mkdir(parents=True)
    names.write_text("".join(f"{name}\n" for name in LENGTHS))


def failures(runs: int, folder: Path) -> list[Failure]:
    """Run the benchmark this many times; return the failures."""
    write_dataset(folder / "DAVIS")
    found = []
    for number in range(runs):
        workers = WORKERS[number % len(WORKERS)]
        words = f"davis DAVIS --out out-{number} --workers {workers} {FAST}"
        ran = subprocess.run(
            [sys.executable, "-m", "persam_video", *words.split()],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if ran.returncode or ran.stderr:
            found.append(Failure(number, workers, ran.returncode, ran.stderr))
        print(f"run {number + 1} of {runs}: {workers} workers, {len(found)} failures", flush=True)
    return found


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--runs", type=common.count, default=100)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "worker_runs.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = failures(options.runs, Path(folder))
    facts = {
        "runs": options.runs,
        "workers": WORKERS,
        "failures": [asdict(failure) for failure in found],
        "machine": common.machine(),
    }
    common.write_facts(options.out, facts)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    common.run(main)
