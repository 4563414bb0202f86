"""Track objects that come and go for ten thousand frames, and watch memory, files and threads.

    python -m eval.soak                     # results in eval/results/soak.json and soak.svg
    python -m eval.soak --frames 2000

The frames are made and encoded while those before them are tracked: squares that move, leave the
picture and come back, one of which is taken away and given again every 1,000 frames. Resident
memory, open files and threads are sampled every 100 frames. Ends with status 1 unless they are
flat: over the second half, memory may rise by 3 % and 8 MiB at most, and files and threads by
nothing. Reads /proc, so it runs on Linux. Ctrl-C ends early and keeps the samples. The model is the
embedded one at its smallest input.
"""

import platform
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from eval import common
from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.sinks import MaskPngSink, Sink, ThreadedSink, TracksJsonlSink
from persam_video.sinks.overlay_video import OverlayVideoSink
from persam_video.tracking import ObjectState, Tracker
from persam_video.tracking.ahead import encoding_ahead
from persam_video.util.machine import settle_memory
from persam_video.video import Frame, SourceInfo, SourceKind

HEIGHT, WIDTH = 72, 128
FPS = Fraction(25)
EVERY = 100
RENEWED = 1000  # frames after which an object is forgotten and given anew
KEPT_MASKS = 200
COLOURS = ((230, 60, 40), (40, 200, 70), (60, 90, 240))


@dataclass(frozen=True)
class Sample:
    """The resources of the process at one moment."""

    frame: int
    seconds: float
    resident_mib: float
    files: int
    threads: int
    tracked: int


def make_frame(index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a picture (H, W, 3) and its labels (H, W); the objects leave at different times."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rgb = np.stack([(x + index) % 90, (y * 2) % 90, (x + y) % 90], axis=2).astype(np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for label, colour in enumerate(COLOURS, start=1):
        phase = 2 * np.pi * index / (180 + 70 * label)
        left = round(WIDTH / 2 + 0.72 * WIDTH * np.sin(phase)) - 10  # beyond both edges
        top = 4 + 22 * (label - 1)
        place = (slice(top, top + 20), slice(max(left, 0), max(left + 20, 0)))
        rgb[place] = colour
        labels[place] = label
    return rgb, labels


def soak(frames: int, folder: Path) -> list[Sample]:
    """Track and write this many frames; return the samples."""
    settings = load_settings("persam", {"model.image_size": 128, "model.device": "cpu"})
    tracker = Tracker(load_model(settings), settings)
    info = SourceInfo("soak", SourceKind.CAMERA, WIDTH, HEIGHT, FPS, False, None, None, False, None)
    inner: list[Sink] = [
        MaskPngSink(folder / "masks"),
        TracksJsonlSink(folder / "tracks.jsonl"),
        OverlayVideoSink(folder / "overlay.mp4", info),
    ]
    sinks = [ThreadedSink(sink) for sink in inner]
    source = (Frame(index, make_frame(index)[0], float(index / FPS)) for index in range(frames))
    samples, began = [], time.monotonic()
    try:
        with encoding_ahead(tracker, source, begin=0) as coming:
            for frame in coming:
                index = frame.index
                result = tracker.step(frame, _given(tracker, index))
                for sink in sinks:
                    sink.write(frame, result)
                if index >= KEPT_MASKS:  # ten thousand files are no part of what is measured
                    (folder / "masks" / f"{index - KEPT_MASKS:05d}.png").unlink(missing_ok=True)
                if index % EVERY == 0 or index == frames - 1:
                    tracked = sum(o.state is ObjectState.TRACKED for o in result.objects)
                    samples.append(_sample(index, began, tracked))
                    if index % 1000 == 0:
                        print(samples[-1], flush=True)
    except KeyboardInterrupt:
        print("interrupted: the samples so far are kept")
    finally:
        for sink in sinks:
            sink.close()
    return samples


def _given(tracker: Tracker, index: int) -> NDArray[np.uint8] | None:
    """Return the labels that are given for a frame, if any, and renew an object now and then."""
    if index % RENEWED:
        return None
    labels = make_frame(index)[1]
    if index == 0:
        return labels
    if not (labels == 3).any():
        return None
    tracker.remove(3)
    return np.where(labels == 3, labels, 0).astype(np.uint8)


def _sample(frame: int, began: float, tracked: int) -> Sample:
    files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    seconds = round(time.monotonic() - began, 1)
    memory = round(common.resident_mib(), 1)
    return Sample(frame, seconds, memory, files, threading.active_count(), tracked)


def faults(samples: Sequence[Sample]) -> list[str]:
    """Return which resources grow during the second half of the run."""
    half = samples[len(samples) // 2 :]
    quarter = max(1, len(half) // 4)
    before = max(s.resident_mib for s in half[:quarter])
    after = max(s.resident_mib for s in half[-quarter:])
    found = []
    if after > 1.03 * before + 8:
        found.append(f"memory rose from {before} to {after} MiB")
    for name in ("files", "threads"):
        counts = [getattr(sample, name) for sample in half]
        if counts[-1] > counts[0]:
            found.append(f"{name} rose from {counts[0]} to {counts[-1]}")
    return found


def draw(path: Path, samples: Sequence[Sample]) -> None:
    """Draw memory, files and threads over the frames."""
    frames = [sample.frame for sample in samples]
    common.draw(
        path,
        [
            common.Panel(title, frames, [float(getattr(sample, name)) for sample in samples])
            for name, title in (
                ("resident_mib", "MiB resident"),
                ("files", "open files"),
                ("threads", "threads"),
            )
        ],
        "frames",
        marks=False,
    )


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--frames", type=common.count, default=10_000)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "soak.json")
    options = parser.parse_args()
    settle_memory()  # as `track` does
    torch.set_num_threads(2)  # an encoder beside the tracker
    with tempfile.TemporaryDirectory() as folder:
        samples = soak(options.frames, Path(folder))
    found = faults(samples)
    result = {
        "command": f"python -m eval.soak --frames {options.frames}",
        "frames": samples[-1].frame + 1,
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "frame_size": [WIDTH, HEIGHT],
        "flat": not found,
        "faults": found,
        "samples": samples,
    }
    common.write_facts(options.out, result)
    draw(options.out.with_suffix(".svg"), samples)
    print("; ".join(found) or "flat", samples[-1])
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    common.run(main)
