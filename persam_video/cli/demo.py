"""``persam-video demo``: the first thing to run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import INTERRUPTED, PresetOptions, written
from persam_video.cli.printing import Printer
from persam_video.util.table import Table

if TYPE_CHECKING:
    from persam_video.davis.scores import ObjectScore, SequenceScore
    from persam_video.synthetic import SyntheticFiles


@dataclass(frozen=True)
class ObjectFigures:
    """Scores of an object, or their mean: J, F and the mean of the two."""

    name: str
    j: float
    f: float
    mean: float

    @classmethod
    def of(cls, name: str, score: "ObjectScore | SequenceScore") -> "ObjectFigures":
        """Take the means of a score."""
        return cls(name, score.j.mean, score.f.mean, score.mean)


@dataclass(frozen=True)
class DemoDocument:
    """What ``demo --json`` prints.

    Attributes:
        clip: the files of the clip.
        run: folder of the run.
        figures: of each object, and their mean.
    """

    clip: "SyntheticFiles"
    run: Path
    figures: Sequence[ObjectFigures]


@with_option_groups
def demo(
    *,
    out: Annotated[Path, written("Folder for the clip and the results.")] = Path(
        "persam-video-demo"
    ),
    preset: PresetOptions,
    printer: Printer,
) -> None:
    """Draw a short clip with exact ground truth, track it and score the result.

    Example: persam-video demo --out /tmp/demo
    """
    settings = preset.settings()
    # imported late: torch takes seconds, and --help should not
    from persam_video.cli.progress import progress_bar
    from persam_video.demo import run_demo

    printer.say("drawing a clip of moving, rotating and occluding objects, then tracking it")
    try:
        with progress_bar(quiet=printer.quiet) as show:
            result = run_demo(out, settings=settings, on_progress=show)
    except KeyboardInterrupt:
        typer.echo("persam-video: interrupted; run the same command again to start over", err=True)
        raise typer.Exit(INTERRUPTED) from None
    score = result.score
    objects = [ObjectFigures.of(str(scored.object_id), scored) for scored in score.objects]
    figures = [*objects, ObjectFigures.of("mean", score)]
    printer.document(DemoDocument(result.clip, result.outputs.folder, figures))
    if not printer.as_json:  # with --quiet, too: the scores are what the user asked for
        rows = tuple((row.name, row.j, row.f, row.mean) for row in figures)
        typer.echo(Table("scores", ("object", "J", "F", "J&F"), rows, digits=3).text())
    printer.say("look at")
    printer.say(f"  {result.outputs.overlay}   the annotated video")
    printer.say(f"  {result.clip.video}   the clip")
    printer.say(f"  {result.outputs.masks}   a mask per frame")
