"""Measure how often the tracker is right about whether objects are in view.

    python -m eval.lost_and_found --data ../shared/data

On the sequences with occlusion (libby, bmx-trees) and on synthetic clips with exits, re-entries and
look-alikes, each object in each frame is visible and tracked (IoU of at least 0.5), visible but
misplaced, visible but reported lost, out of view and reported lost, or out of view but tracked.
Prints the counts and how many frames it took to find a returning object, and writes
``eval/results/lost_and_found.json``.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

import numpy as np

from eval import common
from eval.sequences import EncodedSequence, Sequence, davis_sequences, drawn_sequences
from persam_video import synthetic
from persam_video.config import load_settings, parse_assignments
from persam_video.sam.build import load_model
from persam_video.tracking import FrameResult

OCCLUDED = ("libby", "bmx-trees")
GOOD = 0.5
HEADINGS = ("followed", "misplaced", "missed", "gone", "ghost")


@dataclass
class Counts:
    """Frames of all objects of a sequence.

    Attributes:
        followed: visible, and the mask has an IoU of at least 0.5.
        misplaced: visible, but the mask is elsewhere or too coarse.
        missed: visible, but reported lost.
        gone: out of view, and reported lost.
        ghost: out of view, but with a mask.
        returns: how often an object came back.
        frames_to_find: for each return, frames until it was tracked again; None for never.
    """

    followed: int = 0
    misplaced: int = 0
    missed: int = 0
    gone: int = 0
    ghost: int = 0
    returns: int = 0
    frames_to_find: list[int | None] = field(default_factory=list)

    @property
    def right(self) -> float:
        """Share of frames in which it was right whether the object is there."""
        correct = self.followed + self.misplaced + self.gone
        return correct / max(correct + self.missed + self.ghost, 1)


def count(sequence: Sequence, results: list[FrameResult]) -> Counts:
    """Compare the results with the ground truth, object by object."""
    counts = Counts()
    ids = sorted({int(i) for labels in sequence.given.values() for i in np.unique(labels)} - {0})
    for object_id in ids:
        start = next(i for i, labels in sequence.given.items() if (labels == object_id).any())
        there = [bool((labels == object_id).any()) for labels in sequence.truth]
        overlaps = [
            common.iou(labels == object_id, result.mask(object_id))
            for labels, result in zip(sequence.truth, results, strict=True)
        ]
        empty = [not result.mask(object_id).any() for result in results]
        for frame in range(start + 1, len(there)):
            if not there[frame]:
                kind = "gone" if empty[frame] else "ghost"
            elif empty[frame]:
                kind = "missed"
            else:
                kind = "followed" if overlaps[frame] >= GOOD else "misplaced"
            setattr(counts, kind, getattr(counts, kind) + 1)
            if there[frame] and not there[frame - 1]:
                counts.returns += 1
                counts.frames_to_find.append(_first_good(overlaps[frame:], there[frame:]))
    return counts


def _first_good(overlaps: Iterable[float], there: Iterable[bool]) -> int | None:
    pairs = enumerate(zip(overlaps, there, strict=True))
    return next((n for n, (overlap, shown) in pairs if shown and overlap >= GOOD), None)


def main() -> None:
    """Run the command line."""
    parser = common.parser(__doc__)
    common.add_data(parser, required=False)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()

    # before the others are drawn, which takes long: the folder may not be there
    davis = [] if args.data is None else davis_sequences(args.data / "davis")
    sequences = [
        *drawn_sequences(
            synthetic.exit_and_return,
            synthetic.come_and_go,
            synthetic.crossing,
            synthetic.lookalike,
        ),
        *(sequence for sequence in davis if sequence.name in OCCLUDED),
    ]
    settings = load_settings("persam", parse_assignments(args.set))
    model = load_model(settings)
    rows = {}
    print(common.table(("sequence", *HEADINGS, "right", "frames to find")))
    for sequence in sequences:
        counts = count(sequence, EncodedSequence(sequence, model).track(settings))
        rows[sequence.name] = {**asdict(counts), "right": counts.right}
        numbers = [str(getattr(counts, name)) for name in HEADINGS]
        cells = [sequence.name, *numbers, f"{counts.right:.3f}", str(counts.frames_to_find)]
        print(common.row(cells), flush=True)
    if not args.set:
        facts = {"model": common.identity(model.info), "sequences": rows}
        common.write_results("lost_and_found", facts)


if __name__ == "__main__":
    common.run(main)
