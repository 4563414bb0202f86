"""What the temporal prior is worth: its share at the default, against none.

    python -m eval.prior --data ../shared/data

Scores look-alike, crossing, and exit-and-return clips that are drawn here, and the seven objects of
the schoolgirls clip (J&F), with ``prior.alpha`` at its default and at 0, with the matching maps and
without them. Prints a table and writes ``eval/results/prior.json`` and ``.md``.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from eval.sequences import EncodedSequence, Sequence, clip_sequence, synthetic_sequence
from persam_video import synthetic
from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.util.atomic import write_bytes

RESULTS = Path(__file__).parent / "results"

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "alpha 0": {"prior.alpha": 0.0},
    "no matching": {"prompts.matching": False},
    "no matching, alpha 0": {"prompts.matching": False, "prior.alpha": 0.0},
}


def clips(data: Path | None) -> list[Sequence]:
    """Return what is tracked; without development data, what is drawn."""
    found = [
        synthetic_sequence(name, clip)
        for name, clip in (
            ("lookalike", synthetic.lookalike()),
            ("crossing", synthetic.crossing()),
            ("exit_and_return", synthetic.exit_and_return()),
        )
    ]
    if data is not None:
        folder = data / "clips"
        found.append(clip_sequence(folder / "schoolgirls.mp4", folder / "schoolgirls"))
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, help="folder of development data; may be missing")
    parser.add_argument("--checkpoint", type=Path, help="other weights than those that ship")
    args = parser.parse_args()

    model = load_model(load_settings("persam", {"model.checkpoint": args.checkpoint}))
    table = [_line(["clip", *VARIANTS]), _line(["---"] * (1 + len(VARIANTS)))]
    print("\n".join(table), flush=True)
    rows: dict[str, dict[str, float]] = {}
    for sequence in clips(args.data):
        encoded = EncodedSequence(sequence, model)
        rows[sequence.name] = {
            name: encoded.score(encoded.track(load_settings("persam", changed))).mean
            for name, changed in VARIANTS.items()
        }
        table.append(_line([sequence.name, *(f"{v:.3f}" for v in rows[sequence.name].values())]))
        print(table[-1], flush=True)
    if args.checkpoint is None:
        info = model.info
        facts = {"model": {"name": info.name, "sha256": info.sha256}, "J&F": rows}
        write_bytes(RESULTS / "prior.json", (json.dumps(facts, indent=2) + "\n").encode())
        write_bytes(RESULTS / "prior.md", ("\n".join(table) + "\n").encode())


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
