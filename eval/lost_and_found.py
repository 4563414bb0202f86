"""How often the tracker is right about objects being there, gone, and back.

    python -m eval.lost_and_found --data ../shared/data

On the sequences with occlusion (libby, bmx-trees) and on synthetic clips with exits, re-entries and
look-alikes, each frame and object is one of: seen and followed (IoU of at least 0.5), seen but
misplaced, seen but called lost, gone and called lost, gone but followed. Prints the counts and how
many frames a returning object took to be found, and writes ``eval/results/lost_and_found.json``.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval import common
from eval.sequences import EncodedSequence, Sequence, davis_sequences, synthetic_sequence
from persam_video import synthetic
from persam_video.config import load_settings, parse_assignments
from persam_video.sam.build import load_model
from persam_video.tracking import FrameResult

OCCLUDED = ("libby", "bmx-trees")
GOOD = 0.5


@dataclass
class Counts:
    """Frames of all objects of a sequence.

    Attributes:
        followed: there, and the mask has an IoU of at least 0.5.
        misplaced: there, but the mask is elsewhere or too coarse.
        missed: there, but called lost.
        gone: not there, and called lost.
        ghost: not there, but followed.
        returns: how often an object came back.
        frames_to_find: for each return, frames until it was followed again; None for never.
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
        """Share of frames in which presence was told rightly."""
        told = self.followed + self.misplaced + self.gone
        return told / max(told + self.missed + self.ghost, 1)


def count(sequence: Sequence, results: list[FrameResult]) -> Counts:
    """Compare the states with the truth, object by object."""
    counts = Counts()
    ids = sorted({int(i) for labels in sequence.given.values() for i in np.unique(labels)} - {0})
    for object_id in ids:
        start = next(i for i, labels in sequence.given.items() if (labels == object_id).any())
        there = [bool((labels == object_id).any()) for labels in sequence.truth]
        overlaps = [
            _iou(labels == object_id, result.mask(object_id))
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


def _iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    union = int((first | second).sum())
    return float((first & second).sum()) / union if union else 1.0


def _first_good(overlaps: Iterable[float], there: Iterable[bool]) -> int | None:
    pairs = enumerate(zip(overlaps, there, strict=True))
    return next((n for n, (overlap, shown) in pairs if shown and overlap >= GOOD), None)


def main() -> None:
    """Run the command line."""
    parser = common.parser(__doc__)
    parser.add_argument("--data", type=Path, help="folder of development data; may be missing")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()

    sequences = [
        synthetic_sequence(name, clip)
        for name, clip in (
            ("exit_and_return", synthetic.exit_and_return()),
            ("come_and_go", synthetic.come_and_go()),
            ("crossing", synthetic.crossing()),
            ("lookalike", synthetic.lookalike()),
        )
    ]
    if args.data is not None:
        davis = davis_sequences(args.data / "davis")
        sequences += [sequence for sequence in davis if sequence.name in OCCLUDED]
    settings = load_settings("persam", parse_assignments(args.set))
    model = load_model(settings)
    rows = {}
    print("sequence          followed misplaced missed gone ghost  right  frames to find")
    for sequence in sequences:
        counts = count(sequence, EncodedSequence(sequence, model).track(settings))
        rows[sequence.name] = {**asdict(counts), "right": counts.right}
        print(
            f"{sequence.name:<17} {counts.followed:8} {counts.misplaced:9} {counts.missed:6} "
            f"{counts.gone:4} {counts.ghost:5}  {counts.right:5.3f}  {counts.frames_to_find}",
            flush=True,
        )
    facts = {"model": {"name": model.info.name, "sha256": model.info.sha256}, "sequences": rows}
    if not args.set:
        common.write_facts(common.RESULTS / "lost_and_found.json", facts)


if __name__ == "__main__":
    common.run(main)
