"""``persam-video perseg``: score on PerSeg."""

import itertools
from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    ModelOptions,
    OverwriteOption,
    PresetOptions,
    ScoresFile,
    input_option,
    written,
)
from persam_video.cli.printing import Printer


@with_option_groups
def perseg(
    *,
    root: Annotated[Path, typer.Argument(help="Folder with Images and Annotations.")],
    only: Annotated[
        list[str] | None, input_option("--object", help="Score only this object. Repeatable.")
    ] = None,
    skip: Annotated[list[str] | None, input_option(help="Skip this object. Repeatable.")] = None,
    reference: Annotated[
        list[str] | None,
        input_option(help="Reference photo of each object. Repeatable.", show_default="00"),
    ] = None,
    preset: PresetOptions,
    model: ModelOptions,
    scores: ScoresFile = None,
    report: Annotated[Path | None, written("File for an HTML page of scores and pictures.")] = None,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Segment PerSeg, each object from its reference photos, and print mIoU and boundary IoU.

    The layout is Images/OBJECT/NN.jpg and Annotations/OBJECT/NN.png.

    Examples:

    persam-video perseg PerSeg --scores scores.json

    persam-video perseg PerSeg --method persam-f --reference 00 --reference 01 --report page.html
    """
    settings = preset.settings(model, for_images=True)
    # imported late: neither --help nor a wrong argument should wait for torch
    from persam_video.cli.progress import counting_bar
    from persam_video.perseg import PerSegDataset
    from persam_video.perseg.dataset import REFERENCE
    from persam_video.report.perseg import PerSegReport
    from persam_video.util.atomic import check_free, check_suffix
    from persam_video.util.inputs import ProtectedInputs
    from persam_video.util.table import Table

    dataset = PerSegDataset(
        root, only=only or (), skip=skip or (), references=reference or (REFERENCE,)
    )
    outputs = [(file, suffix) for file, suffix in ((scores, ".json"), (report, ".html")) if file]
    for file, suffix in outputs:
        check_suffix(file, suffix)
    data = (root / "Images", root / "Annotations")
    ProtectedInputs(tuple(preset.files), trees=data).check([file for file, _ in outputs])
    check_free(*(file for file, _ in outputs), overwrite=overwrite)
    from persam_video.perseg import evaluate_perseg
    from persam_video.perseg.evaluation import figures, write_json

    page = PerSegReport(settings.method, dataset.references)
    with counting_bar("segmenting", quiet=printer.quiet) as show, printer.timed("segmenting"):
        done = itertools.count(1)
        score = evaluate_perseg(
            dataset,
            settings=settings,
            on_image=page.add if report else lambda _: None,
            on_object=lambda _: show(next(done), len(dataset)),
        )
    rows = [(scored.name, scored.iou, scored.boundary_iou) for scored in score.objects]
    rows.append(("mean", score.iou, score.boundary_iou))
    table = Table(f"PerSeg, {settings.method}", ("Object", "IoU", "Boundary IoU"), tuple(rows), 4)
    printer.tables([table])
    if scores is not None:
        write_json(score, scores)
    if report is not None:
        page.write(score, report)
    printer.document(figures(score))
