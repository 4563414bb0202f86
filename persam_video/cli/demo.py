"""``persam-video demo``: the first thing to run."""

from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.options import Method, MethodOption, SetOption, resolve_settings
from persam_video.cli.progress import progress_bar


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for clip and results.")] = Path(
        "persam-video-demo"
    ),
    method: MethodOption = Method.PERSAM,
    assignments: SetOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the scores only.")] = False,
) -> None:
    """Make a short clip with exact ground truth, track it, score it, and say where to look.

    Example: persam-video demo --out /tmp/demo
    """
    settings = resolve_settings(method, None, assignments)
    # imported late: torch takes seconds, and --help should not
    from persam_video.demo import run_demo

    if not quiet:
        typer.echo("making a clip of moving, turning and occluding objects, then tracking it")
    with progress_bar(quiet=quiet) as show:
        result = run_demo(out, settings=settings, on_progress=show)
    typer.echo("object      J      F    J&F")
    for each in result.score.objects:
        typer.echo(f"{each.object_id:>6}  {each.j.mean:.3f}  {each.f.mean:.3f}  {each.mean:.3f}")
    score = result.score
    typer.echo(f"{'mean':>6}  {score.j.mean:.3f}  {score.f.mean:.3f}  {score.mean:.3f}")
    if not quiet:
        typer.echo("look at")
        typer.echo(f"  {result.outputs.overlay}   the annotated video")
        typer.echo(f"  {result.clip.video}   the clip")
        typer.echo(f"  {result.outputs.masks}   a mask for each frame")
