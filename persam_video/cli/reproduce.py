"""``persam-video reproduce``: reproduce the published figures of PerSAM."""

from pathlib import Path
from typing import Annotated

import typer

from persam_video.benchmark.published import PublishedBenchmark
from persam_video.cli.davis import WorkersOption
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import ModelOptions, run_option, written
from persam_video.cli.printing import Printer
from persam_video.util.table import Table


@with_option_groups
def reproduce(
    *,
    benchmark: Annotated[PublishedBenchmark, typer.Argument(help="davis2017 or perseg.")],
    root: Annotated[
        Path | None, typer.Argument(help="Folder of the data set; not needed with --dry-run.")
    ] = None,
    out: Annotated[Path, written("Folder for masks, reproduction.json and reproduction.html.")],
    model: ModelOptions,
    workers: WorkersOption = None,
    dry_run: Annotated[
        bool, run_option("--dry-run", help="Try it on a miniature data set with --model lite.")
    ] = False,
    printer: Printer,
) -> None:
    """Run every method on a benchmark and compare the figures with the published ones.

    With --model vit_h (the default) it runs the reference's procedure, PerSAM and PerSAM-F. After
    any interruption, run the same command again to continue. Please share reproduction.json.

    Examples:

    persam-video models download vit_h

    persam-video reproduce davis2017 DAVIS --out reproduction

    persam-video reproduce perseg --out trial --dry-run
    """
    from persam_video.benchmark.reproduce import reproduce as run_methods
    from persam_video.cli.progress import counting_bar
    from persam_video.util.run_record import RunStatus

    with counting_bar(benchmark.value, quiet=printer.quiet) as show:
        result = run_methods(
            benchmark,
            root,
            out,
            overrides=model.overrides,
            workers=workers,
            dry_run=dry_run,
            on_progress=lambda progress: show(progress.done, progress.total),
        )
    printer.document(result)
    if result.status is RunStatus.INTERRUPTED:
        printer.interrupted("run the same command again to continue")
    title = f"{benchmark.value}, {result.model.name}"
    rows = [(method.preset, method.scores[result.measure]) for method in result.methods]
    rows += [(f"{known.method} ({known.source})", known.figure) for known in result.published]
    printer.tables([Table(title, ("method", result.measure), tuple(rows), digits=1)])
    if dry_run:
        printer.say("a dry run: these figures mean nothing")
    printer.say(f"  {out / 'reproduction.html'}")
    printer.say(f"  {out / 'reproduction.json'}")
