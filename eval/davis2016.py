"""Track DAVIS-2016 sequences with a preset and score them as the official code does.

    python -m eval.davis2016 --root ../shared/data/davis --method persam

does what ``persam-video davis`` and ``persam-video evaluate`` do. Prints J, F and J&F of each
sequence and the mean, with the frames per second of one process, and writes them to
``eval/results/davis2016_<method>.json``. Only the first mask of a sequence is read for tracking.
"""

import argparse
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

from persam_video.benchmark.record import BenchmarkRecord
from persam_video.benchmark.runner import run_davis
from persam_video.config import load_settings, parse_assignments
from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import Evaluation, evaluate
from persam_video.errors import PersamVideoError
from persam_video.util.atomic import write_bytes

RESULTS = Path(__file__).parent / "results"


def summary(evaluation: Evaluation, record: BenchmarkRecord) -> dict[str, Any]:
    """Return the figures to write down."""
    speed = {name: each.frames / each.seconds for name, each in record.sequences.items()}
    return {
        "mean": {"J&F": evaluation.mean, "J": evaluation.j.mean, "F": evaluation.f.mean},
        "sequences": {
            each.name: {
                "J&F": each.mean,
                "J": each.j.mean,
                "F": each.f.mean,
                "frames_per_second": round(speed[each.name], 2),
            }
            for each in evaluation.sequences
        },
        "model": {
            "name": record.model.name,
            "sha256": record.model.sha256,
            "precision": record.source["precision"],
        },
        "machine": {"processor": platform.machine(), "threads": record.source["threads"]},
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--root", type=Path, required=True, help="a DAVIS folder")
    parser.add_argument("--method", choices=("persam", "persam-f"), default="persam")
    parser.add_argument("--split", default="val")
    parser.add_argument("--sequence", action="append", default=[], help="only this; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, default=1, help="sequences at once")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--out", type=Path, help="keep the masks in this folder")
    parser.add_argument("--json", type=Path, help="where the figures go")
    args = parser.parse_args()

    try:
        settings = load_settings(args.method.replace("-", "_"), parse_assignments(args.set))
        dataset = DavisDataset(args.root, 2016, args.split, only=args.sequence)
        with tempfile.TemporaryDirectory() as scratch:
            out = args.out or Path(scratch)
            record = run_davis(
                dataset, out, settings=settings, workers=args.workers, threads=args.threads
            )
            figures = summary(evaluate(out, dataset), record)
    except PersamVideoError as error:
        parser.error(str(error))
    print(f"{'sequence':<16} {'J':>6} {'F':>6} {'J&F':>6} {'fps':>6}")
    for name, row in figures["sequences"].items():
        print(
            f"{name:<16} {row['J']:6.3f} {row['F']:6.3f} {row['J&F']:6.3f} "
            f"{row['frames_per_second']:6.1f}"
        )
    mean = figures["mean"]
    print(f"{'mean':<16} {mean['J']:6.3f} {mean['F']:6.3f} {mean['J&F']:6.3f}")
    target = args.json or RESULTS / f"davis2016_{args.method}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(target, (json.dumps(figures, indent=2) + "\n").encode())
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
