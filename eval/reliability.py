"""Measure how far an object's score can be believed.

    python -m eval.reliability --data ../shared/data

The score that the tracker reports for an object is the IoU that the model predicts for its mask,
which is to be 0 for an object that is not there. On the DAVIS-2016 development sequences, on the
seven look-alikes of the schoolgirls clip, and on synthetic clips with exits, re-entries and
look-alikes, every score is held against the IoU with the truth (0 where the object is out of view).
Prints a table of ten bins of equal width and the expected calibration error, the mean distance
between score and IoU over the bins (Guo et al., On Calibration of Modern Neural Networks, ICML
2017), and writes ``eval/results/reliability.json``, ``.md`` and, as the curve, ``.svg``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from eval import common
from eval import sequences as source
from eval.sequences import EncodedSequence
from persam_video import synthetic
from persam_video.config import load_settings
from persam_video.results import FrameResult
from persam_video.sam.build import load_model

BINS = 10
HEADINGS = ("score", "objects in frames", "mean score", "mean IoU", "out of view")


@dataclass(frozen=True)
class Scored:
    """An object in a frame.

    Attributes:
        score: that the tracker reports, 0 to 1.
        iou: of the mask with the truth; 0 where there is no truth, whatever the mask.
        shown: whether the object is in view.
    """

    score: float
    iou: float
    shown: bool


@dataclass(frozen=True)
class Bin:
    """Objects in frames whose scores are alike.

    Attributes:
        low: lowest score of the bin.
        high: highest score of the bin.
        count: how many there are.
        score: their mean score.
        iou: their mean IoU.
        hidden: share that is out of view.
    """

    low: float
    high: float
    count: int
    score: float
    iou: float
    hidden: float


def scored(sequence: source.Sequence, results: Sequence[FrameResult]) -> Iterator[Scored]:
    """Yield every object in every frame that it was searched for in.

    A lost object has no mask, only the score of the one that was not believed. Out of view, that
    score is right when it is low; in view there is no mask to hold it against, and it is left out.
    """
    for index, (truth, result) in enumerate(zip(sequence.truth, results, strict=True)):
        given = sequence.given.get(index, np.zeros_like(truth))
        for o in result.objects:
            if (given == o.object_id).any():
                continue
            there = truth == o.object_id
            mask = result.mask(o.object_id)
            if not there.any():
                yield Scored(o.score, 0.0, shown=False)
            elif mask.any():
                yield Scored(o.score, common.iou(there, mask), shown=True)


def binned(objects: Iterable[Scored]) -> list[Bin]:
    """Sort scores into bins of equal width; those without any are left out."""
    figures = np.array([(o.score, o.iou, o.shown) for o in objects]).reshape(-1, 3)
    places = np.minimum((figures[:, 0] * BINS).astype(int), BINS - 1)
    found = []
    for place in np.unique(places):
        inside = figures[places == place]
        score, iou, shown = map(float, inside.mean(axis=0))
        low, high = float(place) / BINS, float(place + 1) / BINS
        found.append(Bin(low, high, len(inside), score, iou, 1 - shown))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the distance between mean score and mean IoU, weighted by the sizes of the bins."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.score - one.iou) for one in bins) / total


def clips(data: Path | None) -> Iterator[source.Sequence]:
    """Yield the clips; without development data, only the synthetic ones."""
    yield from source.drawn_sequences(
        synthetic.exit_and_return,
        synthetic.come_and_go,
        synthetic.crossing,
        synthetic.lookalike,
    )
    if data is not None:
        yield from source.davis_sequences(data / "davis")
        yield source.schoolgirls(data)


def main() -> None:
    """Run the command line."""
    parser = common.parser(__doc__)
    common.add_data(parser, required=False)
    common.add_checkpoint(parser)
    args = parser.parse_args()

    settings = load_settings("persam", {"model.checkpoint": args.checkpoint})
    model = load_model(settings)
    found: list[Scored] = []
    errors: dict[str, float] = {}
    for sequence in clips(args.data):
        own = list(scored(sequence, EncodedSequence(sequence, model).track(settings)))
        errors[sequence.name] = calibration_error(binned(own))
        print(f"{sequence.name}: {len(own)} scores, error {errors[sequence.name]:.3f}", flush=True)
        found += own
    bins = binned(found)
    error = calibration_error(bins)
    rows = [
        (
            f"{one.low:.1f} to {one.high:.1f}",
            str(one.count),
            f"{one.score:.3f}",
            f"{one.iou:.3f}",
            f"{one.hidden:.2f}",
        )
        for one in bins
    ]
    table = common.table(HEADINGS, rows)
    print(f"{table}\n\nexpected calibration error: {error:.3f}")
    if args.checkpoint is None:
        facts = {
            "model": common.identity(model.info),
            "expected_calibration_error": error,
            "sequences": errors,
            "bins": [asdict(one) for one in bins],
        }
        common.write_results("reliability", facts, table)
        curve = common.Panel(
            "mean IoU by mean score (dashed: score)",
            [one.score for one in bins],
            [one.iou for one in bins],
            [one.score for one in bins],
        )
        common.draw(common.RESULTS / "reliability.svg", [curve])


if __name__ == "__main__":
    common.run(main)
