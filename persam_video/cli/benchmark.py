"""``persam-video benchmark``: track every sequence of a benchmark other than DAVIS."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.davis import BenchmarkOptions, BenchmarkOut, opened_root, track_all
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    ModelOptions,
    PresetOptions,
    RayCliOptions,
    input_option,
)
from persam_video.cli.printing import Printer
from persam_video.vos.benchmarks import Benchmark, detect

if TYPE_CHECKING:
    from persam_video.vos.dataset import VosDataset
    from persam_video.vos.vots import VotsDataset

DatasetOption = Annotated[
    Benchmark | None,
    input_option("--dataset", help="Which benchmark it is.", show_default="told by its files"),
]


def open_benchmark(
    root: Path, benchmark: Benchmark, split: str | None, only: list[str] | None
) -> "VosDataset | VotsDataset":
    """Open a benchmark other than DAVIS.

    Raises:
        DatasetError: the folder does not have its layout.
    """
    from persam_video.vos.dataset import open_vos
    from persam_video.vos.vots import open_vots

    if benchmark is not Benchmark.VOTS:
        return open_vos(root, benchmark, split, only or ())
    if split is not None:
        raise typer.BadParameter("VOTS has no sets: leave --split out")
    return open_vots(root, only or ())


@with_option_groups
def benchmark(
    *,
    root: Annotated[
        Path, typer.Argument(help="Folder with the sets, with JPEGImages, or with list.txt.")
    ],
    out: BenchmarkOut,
    dataset: DatasetOption = None,
    split: Annotated[
        str | None,
        input_option(help="Set: train, valid, …", show_default="that for validation"),
    ] = None,
    sequence: Annotated[
        list[str] | None, input_option(help="Only this sequence. Repeatable.")
    ] = None,
    preset: PresetOptions,
    model: ModelOptions,
    options: BenchmarkOptions,
    ray: RayCliOptions,
    printer: Printer,
) -> None:
    """Track YouTube-VOS, MOSE, LVOS, VOST or VOTS, or continue an interrupted run.

    An object is given in the first frame that shows it. Writes what davis writes; --zip adds the
    archive that the benchmark's server wants.

    Example: persam-video benchmark MOSE --dataset mose --out results --zip mose.zip
    """
    with opened_root(root, ray) as (place, mirror):
        chosen = detect(place, split) if dataset is None else dataset
        if chosen is Benchmark.DAVIS:
            raise typer.BadParameter(
                f"{root} is DAVIS: run persam-video davis, which has its options"
            )
        opened = open_benchmark(place, chosen, split, sequence)
        track_all(opened, mirror, out, preset, model, options, ray, printer)
