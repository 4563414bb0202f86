"""Track DAVIS-2016 sequences with a preset and score them as the official code does.

    python -m eval.davis2016 --root ../shared/data/davis --method persam

is ``persam-video davis`` followed by ``persam-video evaluate``. Prints J, F and J&F of each
sequence and the mean, with the frames per second of one process, and writes them to
``eval/results/davis2016_<method>.json``. Only the first mask of a sequence is read for tracking.
"""

import math
import platform
import tempfile
from pathlib import Path
from typing import Any

from eval import common
from persam_video.benchmark.record import BenchmarkRecord
from persam_video.benchmark.runner import run_benchmark
from persam_video.config import load_settings, parse_assignments
from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import Evaluation, evaluate
from persam_video.util.table import Table


def summary(evaluation: Evaluation, record: BenchmarkRecord) -> dict[str, Any]:
    """Return the figures to write."""
    speed = {name: done.frames / done.seconds for name, done in record.sequences.items()}
    return {
        "mean": {"J&F": evaluation.mean, "J": evaluation.j.mean, "F": evaluation.f.mean},
        "sequences": {
            sequence.name: {
                "J&F": sequence.mean,
                "J": sequence.j.mean,
                "F": sequence.f.mean,
                "frames_per_second": round(speed[sequence.name], 2),
            }
            for sequence in evaluation.sequences
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
    parser = common.parser(__doc__)
    parser.add_argument("--root", type=Path, required=True, help="DAVIS folder")
    parser.add_argument("--method", choices=("persam", "persam-f"), default="persam")
    parser.add_argument("--split", default="val")
    parser.add_argument(
        "--sequence", action="append", default=[], help="track only this sequence; repeatable"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--workers", type=common.count, default=1, help="sequences tracked at the same time"
    )
    parser.add_argument("--threads", type=common.count, default=1, help="threads of each process")
    parser.add_argument("--out", type=Path, help="keep the masks in this folder")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()

    settings = load_settings(args.method.replace("-", "_"), parse_assignments(args.set))
    dataset = DavisDataset(args.root, 2016, args.split, only=args.sequence)
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or Path(scratch)
        record = run_benchmark(
            dataset, out, settings=settings, workers=args.workers, threads=args.threads
        )
        figures = summary(evaluate(out, dataset), record)
    scores = {**figures["sequences"], "mean": figures["mean"]}
    rows = tuple(
        (name, row["J"], row["F"], row["J&F"], row.get("frames_per_second", math.nan))
        for name, row in scores.items()
    )
    print(Table("", ("sequence", "J", "F", "J&F", "fps"), rows, digits=3).text())
    target = args.json or common.RESULTS / f"davis2016_{args.method}.json"
    common.write_facts(target, figures)
    print(f"wrote {target}")


if __name__ == "__main__":
    common.run(main)
