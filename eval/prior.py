"""Measure what the temporal prior contributes: its default share against none.

    python -m eval.prior --data ../shared/data

Scores look-alike, crossing, and exit-and-return clips that are drawn here, two of them with several
look-alikes around the object, and the seven objects of the schoolgirls clip (J&F), with
``prior.alpha`` at its default and at 0, with the matching maps and without them. Prints a table and
writes ``eval/results/prior.json`` and ``.md``.
"""

from pathlib import Path
from typing import Any

from eval import common
from eval.sequences import EncodedSequence, Sequence, drawn_sequences, schoolgirls
from persam_video import synthetic
from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.synthetic.bodies import Kind
from persam_video.synthetic.clip import SyntheticClip, SyntheticObject, Waypoint

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "alpha 0": {"prior.alpha": 0.0},
    "no matching": {"prompts.matching": False},
    "no matching, alpha 0": {"prompts.matching": False, "prior.alpha": 0.0},
}


def shoal() -> SyntheticClip:
    """Draw three koi that swim the same way side by side; the middle one is followed."""
    return _kois(*((Waypoint(0, 0.2, y), Waypoint(59, 0.55, y)) for y in (0.5, 0.2, 0.8)))


def passing() -> SyntheticClip:
    """Draw a koi, followed, that meets one on one side and has another one on the other."""
    return _kois(
        (Waypoint(0, 0.2, 0.4), Waypoint(59, 0.8, 0.4)),
        (Waypoint(0, 0.8, 0.66, 180), Waypoint(59, 0.2, 0.66, 180)),
        (Waypoint(0, 0.15, 0.14), Waypoint(59, 0.7, 0.14)),
    )


def _kois(*paths: tuple[Waypoint, ...]) -> SyntheticClip:
    """Draw koi that look the same; the first one is labelled, the others are not."""
    gold = (0.93, 0.55, 0.12)
    return SyntheticClip(
        tuple(
            SyntheticObject(int(number == 0), Kind.KOI, gold, 0.7, path)
            for number, path in enumerate(paths)
        )
    )


def clips(data: Path | None) -> list[Sequence]:
    """Return the clips to track; without development data, only the drawn ones."""
    drawn = drawn_sequences(
        synthetic.lookalike, shoal, passing, synthetic.crossing, synthetic.exit_and_return
    )
    return [*drawn] if data is None else [*drawn, schoolgirls(data)]


def main() -> None:
    """Run the command line."""
    parser = common.parser(__doc__)
    common.add_data(parser, required=False)
    common.add_checkpoint(parser)
    args = parser.parse_args()

    model = load_model(load_settings("persam", {"model.checkpoint": args.checkpoint}))
    table = [common.table(["clip", *VARIANTS])]
    print(table[0], flush=True)
    rows: dict[str, dict[str, float]] = {}
    for sequence in clips(args.data):
        encoded = EncodedSequence(sequence, model)
        rows[sequence.name] = {
            name: encoded.score(encoded.track(load_settings("persam", changed))).mean
            for name, changed in VARIANTS.items()
        }
        figures = [f"{value:.3f}" for value in rows[sequence.name].values()]
        table.append(common.row([sequence.name, *figures]))
        print(table[-1], flush=True)
    if args.checkpoint is None:
        facts = {"model": common.identity(model.info), "J&F": rows}
        common.write_results("prior", facts, "\n".join(table))


if __name__ == "__main__":
    common.run(main)
