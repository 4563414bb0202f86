"""``persam-video models``: list models, and download their weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli import completion
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import OverwriteOption, input_option, model_option, written
from persam_video.cli.printing import Printer
from persam_video.errors import ModelError
from persam_video.util.table import Table

if TYPE_CHECKING:
    from persam_video.sam.registry import ModelSpec

models = typer.Typer()


@dataclass(frozen=True)
class ListedModel:
    """A model of the registry.

    Attributes:
        name: as given to ``--model``.
        description: what it is.
        licence: of the weights.
        bytes: size of the weights; 0 for those of Hugging Face's hub that are not on disk.
        image_size: long side of its input, in pixels.
        file: the weights, if they are on disk.
    """

    name: str
    description: str
    licence: str
    bytes: int
    image_size: int
    file: Path | None

    @classmethod
    def of(cls, spec: "ModelSpec") -> "ListedModel":
        """Describe a model, and look for its weights on disk."""
        file = _file(spec)
        size = spec.weights.size if spec.weights is not None else _size(file)
        found = file if file is not None and file.is_file() else None
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


@dataclass(frozen=True)
class OnnxDocument:
    """What ``models export-onnx --json`` prints: the folder and its files."""

    folder: Path
    files: Sequence[Path]


@models.callback(invoke_without_command=True)
@with_option_groups
def show(*, context: typer.Context, printer: Printer) -> None:
    """List the models, and where their weights are.

    Example: persam-video models
    """
    if context.invoked_subcommand is not None:
        return
    # imported late: torch takes seconds, and --help should not wait for it
    from persam_video.sam.download import cache_folder
    from persam_video.sam.registry import MODELS

    listed = [ListedModel.of(spec) for spec in MODELS.values()]
    printer.document(ModelsDocument(cache_folder(), listed))
    header = ("model", "MB", "input", "licence", "description", "on disk")
    rows = tuple(
        (
            model.name,
            model.bytes / 1e6,
            model.image_size,
            model.licence,
            model.description,
            str(model.file or "no"),
        )
        for model in listed
    )
    printer.say(Table("models", header, rows, digits=0).text())
    printer.say(f"persam-video models download NAME stores weights in {cache_folder()}")


@models.command()
@with_option_groups
def download(
    *,
    name: Annotated[
        str,
        typer.Argument(help="vit_t, vit_b, vit_l or vit_h.", autocompletion=completion.downloads),
    ],
    url: Annotated[
        str | None,
        input_option(help="Download the same file from here (http or https), e.g. a mirror."),
    ] = None,
    printer: Printer,
) -> None:
    """Download the published weights of a model, or continue an earlier download.

    The file is checked against its SHA-256 and appears only when it is complete.

    Example: persam-video models download vit_b
    """
    from persam_video.cli.progress import download_bar
    from persam_video.sam.download import cached_path, download_weights
    from persam_video.sam.registry import model_spec

    spec = model_spec(name)
    weights = spec.weights
    if spec.repository is not None:
        raise ModelError(
            f"{name} is on Hugging Face's hub: run hf download {spec.repository}, which "
            "pip install 'persam-video[sam2]' brings"
        )
    if weights is None:
        raise ModelError(f"{name} ships with the package: there is nothing to download")
    file = cached_path(weights)
    try:
        with download_bar(weights.file_name, quiet=printer.quiet) as show:
            download_weights(weights, file, url=url, on_progress=show)
    except KeyboardInterrupt:
        printer.interrupted("run the same command again to continue")
    printer.document(DownloadDocument(file))
    printer.say(str(file))


@models.command(name="export-onnx")
@with_option_groups
def export_onnx(
    *,
    name: Annotated[str, typer.Argument(help="lite.")],
    out: Annotated[Path, written("Folder for the files.")],
    image_size: Annotated[
        int | None,
        model_option(help="Long side of the input in pixels.", show_default="the model's own"),
    ] = None,
    overwrite: OverwriteOption = False,
    printer: Printer,
) -> None:
    """Export the embedded model as ONNX files, for tracking with other runtimes.

    encoder.onnx encodes a frame of any size, learn.onnx learns an object from its mask, track.onnx
    segments it, find.onnx does so while it is lost, and memory.onnx remembers a tracked frame.
    Needs persam-video[onnx].

    Example: persam-video models export-onnx lite --out onnx
    """
    from persam_video.cli.progress import counting_bar
    from persam_video.sam.build import load_sam
    from persam_video.tracking.onnx_export import export_onnx as export
    from persam_video.util.atomic import check_free

    check_free(out, overwrite=overwrite)
    model = load_sam(name, device="cpu", precision="fp32", image_size=image_size)
    with counting_bar("exporting", quiet=printer.quiet) as progress:
        files = export(model, out, on_progress=progress)
    printer.document(OnnxDocument(out, files))
    for file in files:
        printer.say(str(file))


def _file(spec: "ModelSpec") -> Path | None:
    from persam_video.sam.download import cached_path, embedded_path, hub_path

    if spec.repository is not None:
        return hub_path(spec.repository)
    return embedded_path() if spec.weights is None else cached_path(spec.weights)


def _size(file: Path | None) -> int:
    return file.stat().st_size if file is not None and file.is_file() else 0
