"""``persam-video perseg``: score on PerSeg."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from persam_video.cli.options import (
    CheckpointOption,
    ConfigOption,
    DeviceOption,
    Method,
    MethodOption,
    ModelOption,
    PrecisionOption,
    SetOption,
    image_preset,
    resolve_settings,
)
from persam_video.cli.progress import shown

if TYPE_CHECKING:
    from persam_video.config import Settings
    from persam_video.perseg import PerSegDataset, PerSegScore


def perseg(
    root: Annotated[Path, typer.Argument(help="Folder that holds Images and Annotations.")],
    method: MethodOption = Method.PERSAM,
    only: Annotated[
        list[str] | None, typer.Option("--object", help="Score this object only; repeatable.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", help="Leave this object out; repeatable.")
    ] = None,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
    json: Annotated[Path | None, typer.Option(help="Write every figure in full here.")] = None,
) -> None:
    """Segment PerSeg, each object from its image 00, and print mIoU and boundary IoU.

    The layout is Images/OBJECT/NN.jpg and Annotations/OBJECT/NN.png.

    Example: persam-video perseg PerSeg --json scores.json
    """
    settings = resolve_settings(
        method,
        config or image_preset(method),
        assignments,
        name=model,
        checkpoint=checkpoint,
        device=device,
        precision=precision,
    )
    # imported late: torch takes seconds, and --help should not
    from persam_video.davis.tables import Table, show
    from persam_video.perseg import PerSegDataset
    from persam_video.perseg.evaluation import write_json

    score = _score_with_progress(PerSegDataset(root, only=only or (), skip=skip or ()), settings)
    rows = [(each.name, each.iou, each.boundary_iou) for each in score.objects]
    rows.append(("mean", score.iou, score.boundary_iou))
    table = Table(f"PerSeg, {settings.method}", ("Object", "IoU", "Boundary IoU"), tuple(rows), 4)
    show([table], Console())
    if json is not None:
        write_json(score, json)


def _score_with_progress(dataset: "PerSegDataset", settings: "Settings") -> "PerSegScore":
    """Score with a bar on standard error; nothing when that is not a terminal."""
    from persam_video.perseg import evaluate

    errors = Console(stderr=True)
    progress = Progress(console=errors, transient=True, disable=not errors.is_terminal)
    with shown(progress):
        bar = progress.add_task("Segmenting", total=len(dataset))
        return evaluate(dataset, settings=settings, on_object=lambda _: progress.advance(bar))
