"""Small clips and a list of jobs for measuring fleets, and the hashes of their results."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from persam_video.masks.png import write_label_png

FAST = ("--set", "model.image_size=128", "--device", "cpu", "--save", "table")


def write_clips(
    folder: Path, clips: int, frames: int = 6, size: tuple[int, int] = (64, 96)
) -> Path:
    """Write folders of frames in which a square moves, some longer than others.

    Returns:
        The list of jobs, with absolute paths.
    """
    random = np.random.default_rng(0)
    height, width = size
    lines = ["source,mask,name"]
    for number in range(clips):
        name = f"clip{number:03d}"
        (folder / name).mkdir(parents=True)
        ground = random.integers(0, 80, (height, width, 3)).astype(np.uint8)
        side = height // 3
        x, y = (int(random.integers(2, limit - side - 2)) for limit in (width // 2, height))
        for index in range(frames + number % 4):
            rgb = ground.copy()
            rgb[y : y + side, x + 2 * index : x + 2 * index + side] = (230, 40 + number, 30)
            Image.fromarray(rgb).save(folder / name / f"{index:05d}.png")
        labels = np.zeros(size, np.uint8)
        labels[y : y + side, x : x + side] = 1
        write_label_png(folder / f"{name}-first.png", labels)
        lines.append(f"{folder / name},{folder / name}-first.png,{name}")
    jobs = folder / "jobs.csv"
    jobs.write_text("\n".join(lines) + "\n")
    return jobs


def fingerprints(out: Path) -> dict[str, str]:
    """Return the SHA-256 of all results of a batch by their paths, but not of the runs' records."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.glob("*/**/*"))
        if path.is_file() and path.name != "run.json"
    }
