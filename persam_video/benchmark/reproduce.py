"""Reproducing the published figures of PerSAM: every method is run, scored and compared.

Weights of Meta's SAM and a GPU decide how long that takes, so it can be stopped at any time and
continued by the same call, and the outcome is one small JSON file to share.
"""

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from persam_video.benchmark.miniature import miniature_davis, miniature_perseg
from persam_video.benchmark.published import PUBLISHED, PublishedBenchmark, PublishedFigure
from persam_video.benchmark.runner import BenchmarkProgress, default_workers, run_benchmark
from persam_video.config import Settings, load_settings
from persam_video.davis.dataset import DavisDataset
from persam_video.davis.evaluation import evaluate
from persam_video.errors import ConfigError, OutputError
from persam_video.perseg import PerSegDataset, evaluate_perseg
from persam_video.report.html import rendered
from persam_video.sam.build import choose_device, choose_precision
from persam_video.sam.model import SamModel
from persam_video.util.atomic import write_output
from persam_video.util.inputs import ProtectedInputs
from persam_video.util.json import to_json
from persam_video.util.machine import available_cores
from persam_video.util.run_record import ModelRecord, RunStatus, installed_versions


@dataclass(frozen=True)
class MethodFigures:
    """The figures of one method.

    Attributes:
        preset: the preset that was run.
        scores: measures in percent by name; the first is the benchmark's main one.
        images: number of frames, or of photos, that were segmented.
        seconds: time that they took.
        command: what does the same on the command line.
    """

    preset: str
    scores: dict[str, float]
    images: int
    seconds: float
    command: str


@dataclass(frozen=True)
class Reproduction:
    """What was run, where, and how it compares.

    Attributes:
        benchmark: name of the benchmark.
        measure: its main measure.
        model: name and SHA-256 of the model.
        device: the device, with the name of a GPU.
        precision: of the presets that leave it open.
        machine: system, processor and cores.
        versions: versions of Python and of the packages that results depend on.
        dry_run: whether the data were a miniature, so that the figures mean nothing.
        status: finished, or interrupted.
        methods: the methods that were run, in order.
        published: figures from the literature.
    """

    benchmark: PublishedBenchmark
    measure: str
    model: ModelRecord
    device: str
    precision: str
    machine: str
    versions: dict[str, str]
    dry_run: bool
    status: RunStatus
    methods: tuple[MethodFigures, ...]
    published: tuple[PublishedFigure, ...]


_PRESETS = {
    PublishedBenchmark.DAVIS2017: ("upstream_f", "persam", "persam_f"),
    PublishedBenchmark.PERSEG: ("images", "images_f"),
}
_MEASURES = {PublishedBenchmark.DAVIS2017: "J&F", PublishedBenchmark.PERSEG: "mIoU"}


@dataclass(frozen=True)
class ReproduceProgress:
    """How far a reproduction has come.

    Attributes:
        preset: the preset that is run.
        done: frames of DAVIS, or objects of PerSeg, that are finished.
        total: how many there are.
    """

    preset: str
    done: int
    total: int


def reproduce(
    benchmark: PublishedBenchmark,
    root: str | Path | None,
    out: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    model: SamModel | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    on_progress: Callable[[ReproduceProgress], None] = lambda _: None,
) -> Reproduction:
    """Run every method of a benchmark, or continue, and set the figures beside the published ones.

    Writes ``reproduction.json``, to be shared, and ``reproduction.html`` into the folder, beside
    the masks of each preset. What is finished is kept: the same call continues after any
    interruption.

    Args:
        benchmark: which one.
        root: folder of the data set; not needed for a dry run.
        out: folder for the results.
        overrides: settings by dotted key for all presets; ``model.name`` is ``vit_h`` by default,
            or ``lite`` for a dry run.
        model: a loaded model, with which this process runs all presets alone; loaded by the
            settings when not given.
        workers: sequences of DAVIS tracked in parallel; by default one per GPU or core.
        dry_run: use a miniature data set that is drawn into the folder. The figures mean nothing.
        on_progress: called after every frame or object.

    Raises:
        ConfigError: no data set is given, or a setting is out of range.
        OutputError: the folder holds a reproduction of another benchmark, or a dry run.
        PersamVideoError: data set, model or folder cannot be used.
    """
    folder = Path(out)
    given = {"model.name": "lite" if dry_run else "vit_h", **(overrides or {})}
    settings = {preset: load_settings(preset, given) for preset in _PRESETS[benchmark]}
    outputs = [folder / "reproduction.json", folder / "reproduction.html"]
    _check_earlier(outputs[0], benchmark, dry_run=dry_run)
    data = _data(benchmark, root, folder, dry_run=dry_run)
    ProtectedInputs(trees=(data,)).check(outputs)

    methods: list[MethodFigures] = []
    ran, status = ModelRecord("", ""), RunStatus.FINISHED
    for preset, chosen in settings.items():
        if benchmark is PublishedBenchmark.DAVIS2017:
            ran, figures = _davis(preset, chosen, data, folder, model, workers, on_progress)
        else:
            ran, figures = _perseg(preset, chosen, data, folder, model, on_progress)
        if figures is None:
            status = RunStatus.INTERRUPTED
            break
        methods.append(figures)
    last = next(reversed(settings.values()))
    device = choose_device(last.model.device)
    result = Reproduction(
        benchmark=benchmark,
        measure=_MEASURES[benchmark],
        model=ran,
        device=_device_name(device),
        precision=choose_precision(last.model.precision, device),
        machine=f"{platform.system()} {platform.machine()}, {available_cores()} cores",
        versions=installed_versions(),
        dry_run=dry_run,
        status=status,
        methods=tuple(methods),
        published=PUBLISHED[benchmark],
    )
    text = json.dumps(to_json(result), indent=1, ensure_ascii=False)
    write_output(outputs[0], f"{text}\n".encode())
    write_output(outputs[1], rendered("reproduction.html", result=result).encode())
    return result


def _check_earlier(figures: Path, benchmark: PublishedBenchmark, *, dry_run: bool) -> None:
    """Check that figures that took days are not replaced by those of something else.

    Raises:
        OutputError: they would be.
    """
    if not figures.exists():
        return
    try:
        known = json.loads(figures.read_bytes())
        is_same = (known["benchmark"], known["dry_run"]) == (benchmark.value, dry_run)
    except (OSError, ValueError, LookupError, TypeError):
        is_same = False
    if not is_same:
        what = f"a dry run of {benchmark.value}" if dry_run else f"a run of {benchmark.value}"
        raise OutputError(f"{figures}: is not of {what}: choose another folder")


def _data(
    benchmark: PublishedBenchmark, root: str | Path | None, folder: Path, *, dry_run: bool
) -> Path:
    if dry_run:
        made = miniature_davis if benchmark is PublishedBenchmark.DAVIS2017 else miniature_perseg
        return made(folder / "miniature")
    if root is None:
        raise ConfigError(f"no data set: give the folder of {benchmark.value}, or pass --dry-run")
    return Path(root)


def _davis(
    preset: str,
    settings: Settings,
    root: Path,
    folder: Path,
    model: SamModel | None,
    workers: int | None,
    on_progress: Callable[[ReproduceProgress], None],
) -> tuple[ModelRecord, MethodFigures | None]:
    dataset = DavisDataset(root, 2017, "val")
    results = folder / preset

    def progressed(progress: BenchmarkProgress) -> None:
        on_progress(ReproduceProgress(preset, progress.all_done, progress.all_total))

    record = run_benchmark(
        dataset,
        results,
        settings=settings,
        model=model,
        workers=workers or (default_workers(settings) if model is None else 1),
        on_progress=progressed,
    )
    if record.status is not RunStatus.FINISHED:
        return record.model, None
    scored = evaluate(results, dataset)
    scores = {"J&F": scored.mean, "J": scored.j.mean, "F": scored.f.mean}
    command = f"persam-video davis {root} --config {preset} --model {settings.model.name}"
    return record.model, MethodFigures(
        preset,
        {name: 100 * score for name, score in scores.items()},
        record.frames_done,
        record.timings["track"],
        f"{command} --out {results} && persam-video evaluate {results} {root}",
    )


def _perseg(
    preset: str,
    settings: Settings,
    root: Path,
    folder: Path,
    model: SamModel | None,
    on_progress: Callable[[ReproduceProgress], None],
) -> tuple[ModelRecord, MethodFigures | None]:
    """Evaluate a preset, unless an earlier call has done so with these settings and this data."""
    place = folder / f"{preset}.json"
    used = {
        "settings": settings,
        "model": None if model is None else model.info.sha256,
        "versions": installed_versions(),
        "data": str(root.resolve()),
    }
    identity = to_json(used)
    known = _earlier(place, identity)
    if known is not None:
        return known
    dataset = PerSegDataset(root)
    begun, done = time.perf_counter(), 0

    def segmented(_: object) -> None:
        nonlocal done
        done += 1
        on_progress(ReproduceProgress(preset, done, len(dataset)))

    try:
        score = evaluate_perseg(dataset, settings=settings, model=model, on_object=segmented)
    except KeyboardInterrupt:
        return ModelRecord(settings.model.name, ""), None
    figures = MethodFigures(
        preset,
        {"mIoU": 100 * score.iou, "boundary IoU": 100 * score.boundary_iou},
        sum(scored.images for scored in score.objects),
        time.perf_counter() - begun,
        f"persam-video perseg {root} --config {preset} --model {settings.model.name}",
    )
    ran = ModelRecord(score.model.name, score.model.sha256)
    stored = {"identity": identity, "model": ran, "figures": figures}
    write_output(place, json.dumps(to_json(stored), indent=1).encode())
    return ran, figures


def _earlier(place: Path, identity: Any) -> tuple[ModelRecord, MethodFigures] | None:
    """Return the figures that an earlier call stored; ``None`` if it was another run."""
    try:
        stored = json.loads(place.read_text(encoding="utf-8"))
        if stored["identity"] != identity:
            return None
        return ModelRecord(**stored["model"]), MethodFigures(**stored["figures"])
    except (OSError, ValueError, TypeError, LookupError):
        return None


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
