"""What each part of the tracker is worth: one preset, one part changed at a time.

    python -m eval.ablation --data ../shared/data

Scores the six DAVIS-2016 development sequences and the seven objects of the schoolgirls clip (J&F)
with the preset ``persam`` and its variants, and writes ``eval/results/ablation.json`` and ``.md``
after each row; with ``--quick`` or ``--only`` it prints only.
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eval.sequences import EncodedSequence, clip_sequence, davis_sequences
from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.sam.model import ModelInfo
from persam_video.util.atomic import write_bytes

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Variant:
    """A change to a preset.

    Attributes:
        name: what is changed.
        overrides: the settings that change it.
        preset: what it starts from.
    """

    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    preset: str = "persam"


VARIANTS = (
    Variant("preset persam"),
    Variant("preset persam_f", preset="persam_f"),
    Variant("no temporal prior in the confidence", {"prior.alpha": 0.0}),
    Variant("prior only in the confidence", {"prior.alpha": 1.0}),
    Variant("no box of the last mask", {"prompts.box": False}),
    Variant("last mask as a prompt", {"prompts.mask": True}),
    Variant("no points", {"prompts.positive_points": 0, "prompts.negative_points": 0}),
    Variant("no matching maps", {"prompts.matching": False}),
    Variant("full motion", {"prior.motion": 1.0}),
    Variant("no semantic prompting (TSP)", {"guidance.semantic": False}),
    Variant("with guided attention (TGA)", {"guidance.attention": True}),
    Variant("no refinement", {"cascade.passes": 0}),
    Variant("two refinements", {"cascade.passes": 2}),
    Variant("refinement with matching", {"cascade.matching": True}),
    Variant("specks kept", {"masks.min_component": 0.0}),
    Variant("components anywhere", {"masks.reach": None}),
    Variant("masks all over the frame", {"prompts.window": None}),
)
SIZES = (512, 640)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of development data")
    parser.add_argument("--quick", action="store_true", help="the two presets only")
    parser.add_argument("--only", action="append", help="this variant; may be given several times")
    args = parser.parse_args()

    sequences = [*davis_sequences(args.data / "davis")]
    clips = args.data / "clips"
    sequences.append(clip_sequence(clips / "schoolgirls.mp4", clips / "schoolgirls"))
    jobs: list[tuple[int | None, tuple[Variant, ...]]] = [(None, VARIANTS[:2])]
    if args.only:
        jobs = [(None, tuple(each for each in VARIANTS if each.name in args.only))]
    elif not args.quick:
        jobs = [(None, VARIANTS)]
        jobs += [(size, (Variant(f"input of {size} pixels"),)) for size in SIZES]
    rows: list[dict[str, Any]] = []
    names = [sequence.name for sequence in sequences]
    print(_line(["variant", *names, "DAVIS mean"]))
    for size, variants in jobs:
        model = load_model(load_settings("persam", {"model.image_size": size}))
        encoded = [EncodedSequence(sequence, model) for sequence in sequences]
        for variant in variants:
            settings = load_settings(variant.preset, variant.overrides)
            scores = {each.sequence.name: each.score(each.track(settings)).mean for each in encoded}
            mean = float(np.mean([scores[name] for name in names[:-1]]))
            rows.append({"variant": variant.name, "scores": scores, "mean": mean})
            cells = [*(f"{scores[name]:.3f}" for name in names), f"{mean:.3f}"]
            print(_line([variant.name, *cells]), flush=True)
            if not args.quick and not args.only:
                _write(rows, names, model.info)


def _write(rows: list[dict[str, Any]], names: list[str], model: ModelInfo) -> None:
    """Write the rows so far as JSON and as a table."""
    header = ["variant", *names, "DAVIS mean"]
    table = [_line(header), _line(["---"] * len(header))]
    for row in rows:
        scores = (f"{score:.3f}" for score in row["scores"].values())
        table.append(_line([row["variant"], *scores, f"{row['mean']:.3f}"]))
    facts = {"model": {"name": model.name, "sha256": model.sha256}, "rows": rows}
    write_bytes(RESULTS / "ablation.json", (json.dumps(facts, indent=2) + "\n").encode())
    write_bytes(RESULTS / "ablation.md", ("\n".join(table) + "\n").encode())


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
