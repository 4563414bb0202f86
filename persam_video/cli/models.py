"""``persam-video models``: what there is, where it lies, and fetching it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import INTERRUPTED
from persam_video.cli.printing import Printer
from persam_video.cli.progress import shown
from persam_video.errors import ModelError

if TYPE_CHECKING:
    from persam_video.sam.registry import ModelSpec

models = typer.Typer()


@dataclass(frozen=True)
class ListedModel:
    """A model that there is.

    Attributes:
        name: for ``--model``.
        description: what it is.
        licence: of the weights.
        bytes: size of the weights.
        image_size: side of the square that it takes, in pixels.
        file: the weights, where they are on disk.
    """

    name: str
    description: str
    licence: str
    bytes: int
    image_size: int
    file: Path | None

    @classmethod
    def of(cls, spec: "ModelSpec") -> "ListedModel":
        """Look where the weights of a model are."""
        file = _file(spec)
        size = spec.weights.size if spec.weights is not None else _size(file)
        found = file if file.is_file() else None
        return cls(spec.name, spec.description, spec.licence, size, spec.image_size, found)


@dataclass(frozen=True)
class ModelsDocument:
    """What ``models --json`` prints: where downloads go, and the models."""

    cache: Path
    models: Sequence[ListedModel]


@dataclass(frozen=True)
class DownloadDocument:
    """What ``models download --json`` prints: the weight file."""

    file: Path


@models.callback(invoke_without_command=True)
@with_option_groups
def show(*, context: typer.Context, printer: Printer) -> None:
    """List the models: size of the weights, size of the input, and where the weights lie.

    Example: persam-video models
    """
    if context.invoked_subcommand is not None:
        return
    # imported late: torch takes seconds, and --help should not
    from persam_video.sam.download import cache_folder
    from persam_video.sam.registry import MODELS

    listed = [ListedModel.of(spec) for spec in MODELS.values()]
    printer.document(ModelsDocument(cache_folder(), listed))
    printer.say(f"{'model':<6} {'weights':>8} {'input':>6}  {'licence':<12}  {'what':<32}  on disk")
    for each in listed:
        printer.say(
            f"{each.name:<6} {each.bytes / 1e6:>5.0f} MB {each.image_size:>6}  {each.licence:<12}  "
            f"{each.description:<32}  {each.file or 'no'}"
        )
    printer.say(f"downloads go to {cache_folder()}: persam-video models download NAME")


@models.command()
@with_option_groups
def download(
    *,
    name: Annotated[str, typer.Argument(help="vit_t, vit_b, vit_l or vit_h.")],
    url: Annotated[
        str | None,
        typer.Option("--url", help="Fetch the same file from here (http or https), e.g. a mirror."),
    ] = None,
    printer: Printer,
) -> None:
    """Fetch the published weights of a model, or go on where an earlier fetch stopped.

    The file is checked against its SHA-256 and is put in place only when it is whole.

    Example: persam-video models download vit_b
    """
    from persam_video.sam.download import cached_path
    from persam_video.sam.download import download as fetch
    from persam_video.sam.registry import model_spec

    weights = model_spec(name).weights
    if weights is None:
        raise ModelError(f"{name} ships with the package: there is nothing to download")
    file = cached_path(weights)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=printer.quiet or not console.is_terminal,
    )
    try:
        with shown(bar):
            task = bar.add_task(weights.file_name, total=weights.size)
            fetch(
                weights,
                file,
                url=url,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except KeyboardInterrupt:
        typer.echo("persam-video: interrupted; run it again, it goes on where it stopped", err=True)
        raise typer.Exit(INTERRUPTED) from None
    printer.document(DownloadDocument(file))
    printer.say(str(file))


def _file(spec: "ModelSpec") -> Path:
    from persam_video.sam.download import cached_path, embedded_path

    return embedded_path() if spec.weights is None else cached_path(spec.weights)


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0
