"""``persam-video davis``: track every sequence of DAVIS, as of any other benchmark."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import (
    DavisOptions,
    ModelOptions,
    OverwriteOption,
    PresetOptions,
    RayCliOptions,
    output_option,
    output_path,
    run_option,
    written,
)
from persam_video.cli.printing import Printer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam_video.benchmark.record import BenchmarkRecord
    from persam_video.fleet.mirror import Mirror
    from persam_video.vos.submission import Dataset


@dataclass(frozen=True)
class BenchmarkDocument:
    """What ``davis --json`` and ``benchmark --json`` print.

    Attributes:
        folder: folder or URL with the results.
        run: the record, as in ``run.json``.
        submission: the archive for the benchmark's server, if requested.
    """

    folder: str
    run: "BenchmarkRecord"
    submission: Path | None


BenchmarkOut = Annotated[Path, written("Folder for SEQUENCE/FRAME.png.")]

WorkersOption = Annotated[
    int | None,
    run_option(
        min=1,
        help="Sequences tracked in parallel, each in a process of its own.",
        show_default="one per core or GPU; with --ray, as many as there is room for",
    ),
]


@dataclass(frozen=True)
class BenchmarkOptions:
    """How a benchmark is tracked, and what is written of it."""

    workers: WorkersOption = None
    overwrite: OverwriteOption = False
    submission: Annotated[
        Path | None,
        output_option(
            "--zip",
            help="Archive to submit to the benchmark's server.",
            parser=output_path,
            metavar="PATH",
        ),
    ] = None


@with_option_groups
def davis(
    *,
    root: Annotated[
        Path,
        typer.Argument(help="DAVIS folder with JPEGImages, Annotations and ImageSets."),
    ],
    out: BenchmarkOut,
    which: DavisOptions,
    preset: PresetOptions,
    model: ModelOptions,
    options: BenchmarkOptions,
    ray: RayCliOptions,
    printer: Printer,
) -> None:
    """Track every sequence of DAVIS, or continue an interrupted run.

    Reads only the first annotation of a sequence. Finished sequences are verified and kept: after
    any interruption, run the same command again. Writes SEQUENCE/FRAME.png as evaluators expect it,
    tracks/SEQUENCE.jsonl and run.json to the output folder.

    With --ray, both folders may be URLs of a storage.

    Examples:

    persam-video davis DAVIS --year 2017 --split val --out results

    persam-video davis s3://bucket/DAVIS --out s3://bucket/results --ray auto
    """
    with opened_root(root, ray) as (place, mirror):
        track_all(which.dataset(place), mirror, out, preset, model, options, ray, printer)


@contextmanager
def opened_root(root: Path, ray: RayCliOptions) -> "Iterator[tuple[Path, Mirror | None]]":
    """Give the folder of a data set while the block runs, and what mirrors one on a storage.

    Raises:
        PersamVideoError: it is on a storage and cannot be read, or there is no fleet to do so.
    """
    from persam_video.fleet.storage import is_remote
    from persam_video.util.urls import local_path, url_of

    place = url_of(root)
    if not is_remote(place):
        yield Path(local_path(place)), None
        return
    ray.check_place(place)
    from persam_video.fleet.mirror import mirrored

    with mirrored(place) as mirror:
        yield mirror.folder, mirror


def track_all(
    dataset: "Dataset",
    mirror: "Mirror | None",
    out: Path,
    preset: PresetOptions,
    model: ModelOptions,
    options: BenchmarkOptions,
    ray: RayCliOptions,
    printer: Printer,
) -> None:
    """Track every sequence of a benchmark, and write the archive for its server."""
    # imported late: torch takes seconds, and --help should not
    from persam_video.benchmark.runner import default_workers, run_benchmark
    from persam_video.benchmark.stored import StoredDataset
    from persam_video.cli.progress import benchmark_bars
    from persam_video.fleet.storage import is_remote
    from persam_video.sinks import RunStatus
    from persam_video.util.urls import local_path, url_of
    from persam_video.vos.submission import check_archive, write_submission

    fleet, place = ray.options(options.workers), local_path(url_of(out))
    ray.check_place(place)
    if options.submission is not None and is_remote(place):
        raise typer.BadParameter("--zip needs the results in a folder: copy them, and run it there")
    if options.submission is not None:
        check_archive(options.submission, dataset, Path(place), overwrite=options.overwrite)
    settings = preset.settings(model)
    with benchmark_bars(quiet=printer.quiet, lines=not printer.says_nothing) as show:
        record = run_benchmark(
            dataset if mirror is None else StoredDataset(dataset, mirror),
            place,
            settings=settings,
            workers=1 if fleet else options.workers or default_workers(settings),
            ray=fleet,
            warn=printer.warn,
            overwrite=options.overwrite,
            keep=preset.files,
            on_progress=show,
        )
    for warning in record.warnings:
        printer.warn(warning)
    finished = record.status is not RunStatus.INTERRUPTED
    if finished and options.submission is not None:
        files = write_submission(options.submission, dataset, Path(place))
        printer.say(f"{files} files: {options.submission}")
    printer.document(BenchmarkDocument(place, record, options.submission if finished else None))
    if not finished:
        printer.interrupted("run the same command again to continue")
    printer.say(f"{len(dataset.names)} sequences: {place}")
