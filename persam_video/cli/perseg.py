"""``persam-video perseg``: score on PerSeg."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import ModelOptions, PresetOptions
from persam_video.cli.printing import Printer
from persam_video.cli.progress import shown

if TYPE_CHECKING:
    from persam_video.config import Settings
    from persam_video.perseg import PerSegDataset, PerSegScore


@with_option_groups
def perseg(
    *,
    root: Annotated[Path, typer.Argument(help="Folder that holds Images and Annotations.")],
    only: Annotated[
        list[str] | None, typer.Option("--object", help="Score this object only; repeatable.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", help="Leave this object out; repeatable.")
    ] = None,
    preset: PresetOptions,
    model: ModelOptions,
    scores: Annotated[
        Path | None, typer.Option(help="Write every figure in full here, as JSON.")
    ] = None,
    printer: Printer,
) -> None:
    """Segment PerSeg, each object from its image 00, and print mIoU and boundary IoU.

    The layout is Images/OBJECT/NN.jpg and Annotations/OBJECT/NN.png.

    Example: persam-video perseg PerSeg --scores scores.json
    """
    settings = preset.settings(model, for_images=True)
    # imported late: torch takes seconds, and --help should not
    from persam_video.perseg import PerSegDataset
    from persam_video.perseg.evaluation import figures, write_json
    from persam_video.util.table import Table

    dataset = PerSegDataset(root, only=only or (), skip=skip or ())
    with printer.timed("segmenting"):
        score = _score_with_progress(dataset, settings, quiet=printer.quiet)
    rows = [(each.name, each.iou, each.boundary_iou) for each in score.objects]
    rows.append(("mean", score.iou, score.boundary_iou))
    table = Table(f"PerSeg, {settings.method}", ("Object", "IoU", "Boundary IoU"), tuple(rows), 4)
    printer.tables([table])
    if scores is not None:
        write_json(score, scores)
    printer.document(figures(score))


def _score_with_progress(
    dataset: "PerSegDataset", settings: "Settings", *, quiet: bool
) -> "PerSegScore":
    """Score with a bar on standard error; nothing when that is not a terminal."""
    from persam_video.perseg import evaluate

    errors = Console(stderr=True)
    hidden = quiet or not errors.is_terminal
    progress = Progress(console=errors, transient=True, disable=hidden)
    with shown(progress):
        bar = progress.add_task("Segmenting", total=len(dataset))
        return evaluate(dataset, settings=settings, on_object=lambda _: progress.advance(bar))
