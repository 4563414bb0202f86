"""Results with unusual names and paths, datasets of other years, lists of jobs, workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.robust.case import Case, NotHereError, UnexpectedError, expect
from persam_video.batch.jobs import read_jobs
from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.davis.results import recorded_sequences
from persam_video.errors import PersamVideoError
from persam_video.masks.png import write_label_png

FRAMES = 6
NAMES = ("dog", "cat")


@dataclass(frozen=True)
class Place:
    """A dataset of two sequences, and perfect results.

    Attributes:
        root: the dataset.
        results: ``<sequence>/<frame>.png``.
    """

    root: Path
    results: Path

    def scored(self, results: Path | None = None) -> str:
        """Score the results, and describe the outcome."""
        found = evaluate(results or self.results, DavisDataset(self.root))
        expect(found.mean == 1.0, f"J&F {found.mean:.3f}")
        return "; ".join(["J&F 1.0", *found.warnings])


def place(folder: Path) -> Place:
    """Write the dataset and its results."""
    made = Place(folder / "DAVIS", folder / "results")
    (made.root / "ImageSets" / "2017").mkdir(parents=True)
    (made.root / "ImageSets" / "2017" / "val.txt").write_text("\n".join(NAMES))
    for name in NAMES:
        for parent in (made.root / "Annotations" / "480p" / name, made.results / name):
            parent.mkdir(parents=True)
            for frame in range(FRAMES):
                labels = np.zeros((24, 32), np.uint8)
                labels[4:12, 2 + frame : 12 + frame] = 1
                write_label_png(parent / f"{frame:05d}.png", labels)
    return made


def refused(try_it: Callable[[Path], object], says: str, folder: Path) -> str:
    """Expect an error with a message; return the message without the folder."""
    try:
        done = try_it(folder)
    except PersamVideoError as error:
        words = str(error).splitlines()[-1].replace(f"{folder}{os.sep}", "")
        expect(says in words, words)
        return f"error: {words}"
    raise UnexpectedError(f"no error: {done}")


def _named(change: Callable[[int], str], says: str) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        made = place(folder)
        moved = made.results / "dog"
        moved.rename(folder / "dog")
        moved.mkdir()
        for frame in range(FRAMES):
            (folder / "dog" / f"{frame:05d}.png").rename(moved / change(frame))
        return refused(lambda _: made.scored(), says, folder)

    return check


def _laid(layout: str) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        made = place(folder)
        for name in NAMES:
            shutil.copytree(made.results / name, folder / "laid" / layout.format(name, name))
        return made.scored(folder / "laid")

    return check


def _partial(folder: Path) -> str:
    made = place(folder)
    shutil.rmtree(made.results / "cat")
    record = {
        "model": {"name": "lite", "sha256": "0"},
        "settings": {},
        "source": {"year": 2017, "split": "val"},
        "status": "finished",
        "sequences": {"dog": {}},
    }
    (made.results / "run.json").write_text(json.dumps(record))
    names = recorded_sequences(made.results, DavisDataset(made.root))
    expect(names == ("dog",), f"{names}")
    return "the sequence that run.json names"


def _listed(where: str, says: str, year: int = 2017) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        made = place(folder)
        (made.root / "ImageSets" / "2017" / "val.txt").unlink()
        (made.root / "ImageSets" / where).parent.mkdir(exist_ok=True)
        (made.root / "ImageSets" / where).write_text("dog\n")
        return refused(lambda _: DavisDataset(made.root, year), says, folder)

    return check


def _jobs(data: bytes | None, says: str) -> Callable[[Path], str]:
    def check(folder: Path) -> str:
        if data is not None:
            (folder / "jobs.csv").write_bytes(data)
        return refused(lambda _: read_jobs(folder / "jobs.csv"), says, folder)

    return check


_INTERRUPTED = """
import signal, sys
from persam_video.util.workers import InterruptOnce
signal.signal(signal.SIGTERM, InterruptOnce())
try:
    print("ready", flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    pass
"""


def _signals(folder: Path) -> str:
    if sys.platform == "win32":
        raise NotHereError("Windows ends a process at once")
    rounds = 20
    for _ in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-c", _INTERRUPTED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if process.stdout is not None:
            process.stdout.readline()
        for _ in range(3):
            os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate()
        expect(not errors, errors.decode(errors="replace")[-300:])
    return f"{rounds} times without a word on standard error"


TABLE = "source,mask\na.mp4,m.png\n"


def cases() -> list[Case]:
    """Return the cases of evaluation, lists of jobs and workers."""
    one_line = "one error that says what was found and what to do"
    names = {
        "results named from 00001": _named(lambda n: f"{n + 1:05d}.png", "shifted by 1"),
        "results named from 00100": _named(lambda n: f"{n + 100:05d}.png", "shifted by 100"),
        "results named 0.png, 1.png": _named(lambda n: f"{n}.png", "written differently"),
        "results named frame_0000.png": _named(lambda n: f"frame_{n:04d}.png", "written diff"),
        "results numbered by fives": _named(lambda n: f"{5 * n:05d}.png", "name each as its"),
        "results named .PNG": _named(lambda n: f"{n:05d}.PNG", "must be named FRAME.png"),
        "results named .jpg": _named(lambda n: f"{n:05d}.jpg", "must be named FRAME.png"),
        "val.txt of 2016, asked for 2017": _listed("2016/val.txt", "pass --year 2016"),
        "val.txt of 2017, asked for 2016": _listed("2017/val.txt", "pass --year 2017", year=2016),
        "a list of 480p, asked for 2017": _listed("480p/val.txt", "pass --year 2016"),
        "a list of another split": _listed("2017/train.txt", "pass --split train"),
        "jobs.csv with semicolons": _jobs(TABLE.replace(",", ";").encode(), "semicolons"),
        "jobs.csv with tabs": _jobs(TABLE.replace(",", "\t").encode(), "separated by tabs"),
        "jobs.csv in UTF-16": _jobs(TABLE.encode("utf-16"), "is in UTF-16"),
        "jobs.csv in Latin-1": _jobs(TABLE.replace("m", "\xe4").encode("latin-1"), "not in UTF-8"),
        "jobs.csv that is a spreadsheet": _jobs(b"PK\3\4", "is a spreadsheet"),
        "jobs.csv without a header": _jobs(b"a.mp4,m.png\n", "first line must name the columns"),
        "jobs.csv that is missing": _jobs(None, "no such file"),
    }
    layouts = ("{}/masks", "{}/{}", "480p/{}", "masks/{}", "Annotations/480p/{}")
    return [
        *(Case("evaluation", name, one_line, check) for name, check in names.items()),
        *(
            Case(
                "evaluation", f"results in {layout}".replace("{}", "SEQ"), "J&F 1.0", _laid(layout)
            )
            for layout in layouts
        ),
        Case("evaluation", "results of a partial davis", "its sequences are scored", _partial),
        Case("evaluation", "a worker that is signalled thrice", "silence", _signals),
    ]
