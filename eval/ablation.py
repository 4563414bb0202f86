"""Measure what each part of the tracker contributes: one preset, one change at a time.

    python -m eval.ablation --data ../shared/data
    python -m eval.ablation --data ../shared/data --plain

Scores the six DAVIS-2016 development sequences and the seven objects of the schoolgirls clip (J&F)
with the preset ``persam`` and its variants, and writes ``eval/results/ablation.json`` and ``.md``
after each row; with ``--quick`` or ``--only`` it prints only.

With ``--plain`` the embedded model goes without its matching maps and its memory readout, which
Meta's SAM does not have either: what is left is PerSAM and the temporal prior. It scores the first
30 frames of one of the sequences and writes ``eval/results/ablation_plain.json`` and ``.md``.
"""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from eval import common
from eval.sequences import EncodedSequence, Sequence, davis_sequences, schoolgirls
from persam_video.config import load_settings
from persam_video.sam.build import load_model
from persam_video.sam.model import ModelInfo


@dataclass(frozen=True)
class Variant:
    """A change to a preset.

    Attributes:
        name: name of the change.
        overrides: the changed settings.
        preset: the preset that is changed.
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
    Variant("no memory readout", {"prompts.readout": False}),
    Variant("no past frames in memory", {"memory.frames": 0}),
    Variant("full motion", {"prior.motion": 1.0}),
    Variant("no semantic prompting (TSP)", {"guidance.semantic": False}),
    Variant("with guided attention (TGA)", {"guidance.attention": True}),
    Variant("no refinement", {"cascade.passes": 0}),
    Variant("every mask refined", {"cascade.sure": None}),
    Variant("two refinements", {"cascade.passes": 2}),
    Variant("refinement without matching", {"cascade.matching": False}),
    Variant("refinement without readout", {"cascade.readout": False}),
    Variant("specks kept", {"masks.min_component": 0.0}),
    Variant("components anywhere", {"masks.reach": None}),
    Variant("masks all over the frame", {"prompts.window": None}),
    Variant("no zoom", {"zoom.limit": 1.0}),
    Variant("large objects magnified, too", {"zoom.size": 1000.0}),
    Variant("less around the objects", {"zoom.room": 1.5}),
    Variant("half as many pixels again", {"zoom.pixels": 1.5}),
    Variant("never closer, however sure", {"zoom.sure": None}),
)
SIZES = (512, 640)

_PLAIN = {"prompts.matching": False, "prompts.readout": False}
_NO_PRIOR = {"prior.alpha": 0.0, "prompts.box": False, "prompts.window": None, "masks.reach": None}
_AS_PUBLISHED = {"guidance.attention": True, "cascade.passes": 2, "prompts.window": None}
PLAIN_VARIANTS = tuple(
    Variant(name, {**_PLAIN, **overrides})
    for name, overrides in (
        ("preset persam", {}),
        ("no temporal prior: each frame on its own", _NO_PRIOR),
        ("settings for Meta's SAM", _AS_PUBLISHED),
        ("settings for Meta's SAM, no temporal prior", {**_AS_PUBLISHED, **_NO_PRIOR}),
        ("no temporal prior in the confidence", {"prior.alpha": 0.0}),
        ("no box of the last mask", {"prompts.box": False}),
        ("no points", {"prompts.positive_points": 0, "prompts.negative_points": 0}),
        ("no semantic prompting (TSP)", {"guidance.semantic": False}),
        ("with guided attention (TGA)", {"guidance.attention": True}),
        ("no refinement", {"cascade.passes": 0}),
        ("two refinements", {"cascade.passes": 2}),
    )
)
PLAIN_SEQUENCES = ("breakdance",)
PLAIN_FRAMES = 30


def main() -> None:
    """Run the command line."""
    parser = common.parser(__doc__)
    common.add_data(parser)
    parser.add_argument("--quick", action="store_true", help="score the two presets only")
    parser.add_argument("--plain", action="store_true", help="without matching maps and readout")
    parser.add_argument(
        "--only",
        action="append",
        choices=[variant.name for variant in VARIANTS],
        metavar="VARIANT",
        help="score only this variant; repeatable",
    )
    args = parser.parse_args()

    davis = davis_sequences(args.data / "davis")
    if args.plain:
        chosen = [_first(one) for one in davis if one.name in PLAIN_SEQUENCES]
        _run([(None, PLAIN_VARIANTS)], chosen, len(chosen), "ablation_plain")
        return
    sequences = [*davis, schoolgirls(args.data)]
    jobs: list[_Job] = [(None, VARIANTS[:2])]
    if args.only:
        jobs = [(None, tuple(variant for variant in VARIANTS if variant.name in args.only))]
    elif not args.quick:
        jobs = [(None, VARIANTS)]
        jobs += [(size, (Variant(f"input of {size} pixels"),)) for size in SIZES]
    _run(jobs, sequences, len(sequences) - 1, None if args.quick or args.only else "ablation")


_Job: TypeAlias = tuple[int | None, tuple[Variant, ...]]
"""The image size, and the variants to run at it."""


def _first(sequence: Sequence) -> Sequence:
    """Return the first frames of a sequence."""
    return replace(
        sequence, frames=sequence.frames[:PLAIN_FRAMES], truth=sequence.truth[:PLAIN_FRAMES]
    )


def _run(jobs: list[_Job], sequences: list[Sequence], mean_of: int, name: str | None) -> None:
    """Score the variants, print a row for each, and write the rows so far if they have a name.

    The mean is that of the first ``mean_of`` sequences.
    """
    rows: list[dict[str, Any]] = []
    names = [sequence.name for sequence in sequences]
    for size, variants in jobs:
        model = load_model(load_settings("persam", {"model.image_size": size}))
        encoded = [EncodedSequence(sequence, model) for sequence in sequences]
        for variant in variants:
            settings = load_settings(variant.preset, variant.overrides)
            scores = {one.sequence.name: one.score(one.track(settings)).mean for one in encoded}
            mean = float(np.mean([scores[one] for one in names[:mean_of]]))
            rows.append({"variant": variant.name, "scores": scores, "mean": mean})
            print(_table(rows[-1:], names), flush=True)
            if name is not None:
                _write(name, rows, names, model.info)


def _table(rows: list[dict[str, Any]], names: list[str]) -> str:
    cells = [
        [row["variant"], *(f"{row['scores'][name]:.3f}" for name in names), f"{row['mean']:.3f}"]
        for row in rows
    ]
    return common.table(["variant", *names, "DAVIS mean"], cells)


def _write(name: str, rows: list[dict[str, Any]], names: list[str], model: ModelInfo) -> None:
    """Write the rows so far as JSON and as a table."""
    facts = {"model": common.identity(model), "rows": rows}
    common.write_results(name, facts, _table(rows, names))


if __name__ == "__main__":
    common.run(main)
