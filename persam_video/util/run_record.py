"""The record of a run: settings, versions, source, model, timings, and how it ended."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from persam_video.errors import DatasetError, OutputError
from persam_video.util.atomic import write_bytes
from persam_video.util.json import to_json
from persam_video.util.nested import flatten

_PROGRAM = "persam-video"
_PACKAGES = (
    _PROGRAM,
    "torch",
    "segment-anything",
    "numpy",
    "opencv-python-headless",
    "opencv-python",
    "av",
    "decord2",
    "scipy",
    "pillow",
    "pycocotools",
    "safetensors",
)

_MOST = 1 << 53  # up to here every whole number is a float

# What a record's fields have to be for those who use them.
_FIELD_TYPES: dict[str, type] = {
    "settings": dict,
    "source": dict,
    "started": str,
    "versions": dict,
    "references": dict,
    "names": dict,
    "frames_done": int,
    "frames_dropped": int,
    "resumed_at": list,
    "timings": dict,
    "warnings": list,
}


class RunStatus(str, Enum):
    """The status of a run."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that results depend on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True)
class ModelRecord:
    """The model of a run.

    Attributes:
        name: its name in the registry.
        sha256: hash of the file with its weights, in hexadecimal.
    """

    name: str
    sha256: str


@dataclass
class RunRecord:
    """The contents of ``run.json``, which a run keeps up to date.

    Settings, source and timings may hold paths, fractions and enums; the file has plain JSON.

    Attributes:
        model: the model.
        settings: the resolved settings.
        source: facts about the source, such as size, frame rate and decoder.
        status: status of the run.
        started: start in ISO 8601, with the offset from UTC.
        versions: versions of Python and of the packages that the results depend on.
        references: SHA-256 of the labels of each annotation, by the index of its frame.
        names: names of objects by id, for those that have one.
        frames_done: number of frames written.
        frames_dropped: frames of a live source that arrived while the tracker was busy.
        resumed_at: number of finished frames at each resumption.
        timings: seconds of the run's own thread by stage, since the run was last resumed. Decoding,
            writing and, for some models, encoding run in separate threads, so theirs are those
            it waited for them. ``open`` is the time until the first frame is there, ``finish``
            that for ending the files.
        peak_memory: peak resident memory of the process in bytes;
            ``None`` if unknown.
        warnings: the warnings shown to the user.
        error: the error message of a failed run.
        box_format: format of boxes in the run's files: ``xywh``, as in COCO, is
            x, y, width, height in pixels.
    """

    model: ModelRecord
    settings: dict[str, Any]
    source: dict[str, Any]
    status: RunStatus = RunStatus.RUNNING
    started: str = field(default_factory=_now)
    versions: dict[str, str] = field(default_factory=installed_versions)
    references: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    frames_done: int = 0
    frames_dropped: int = 0
    resumed_at: list[int] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    peak_memory: int | None = None
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    box_format: str = "xywh"


_RecordT = TypeVar("_RecordT", bound=RunRecord)


def check_program(old: RunRecord, new: RunRecord, folder: Path | str) -> None:
    """Check that an earlier run was made by this version of the program.

    Raises:
        OutputError: it was made by another one, or lacks what this one records.
    """
    was, is_ = (record.versions.get(_PROGRAM) for record in (old, new))
    kept, wanted = (
        flatten({"settings": record.settings, "source": record.source}).keys()
        for record in (old, new)
    )
    if was != is_ or wanted - kept:
        raise OutputError(
            f"{folder} holds a run of another version of {_PROGRAM} ({was or 'unknown'}): continue "
            "it with that version, choose another folder, or start over with --overwrite"
        )


def write_run(path: str | Path, record: RunRecord) -> None:
    """Write ``run.json``, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(Path(path), run_json(record))


def run_json(record: RunRecord) -> bytes:
    """Return what ``run.json`` holds."""
    text = json.dumps(to_json(record), indent=2, ensure_ascii=False, allow_nan=False)
    # a file name that is not UTF-8 has surrogates, which become JSON's own escapes
    return f"{text}\n".encode(errors="backslashreplace")


@contextmanager
def recording(path: str | Path, record: RunRecord) -> Iterator[None]:
    """Keep the record on disk up to date during the block, including how it ended.

    A keyboard interrupt ends the block and goes no further; the record says so. Where a block that
    failed leaves no room for the record, as on a full disk, it stays the one of a run under way.

    Raises:
        OutputError: the file cannot be written.
    """
    write_run(path, record)
    try:
        yield
        record.status = RunStatus.FINISHED
    except KeyboardInterrupt:
        record.status = RunStatus.INTERRUPTED
    except BaseException as error:
        record.status = RunStatus.FAILED
        record.error = str(error) or type(error).__name__
        with suppress(OutputError):  # what the block failed with is the error to report
            write_run(path, record)
        raise
    write_run(path, record)


def read_run(path: str | Path) -> RunRecord:
    """Read ``run.json``.

    Unknown keys are ignored, so that the files of later versions can be read.

    Raises:
        DatasetError: the file cannot be read or is not the record of a run.
    """
    return read_run_as(RunRecord, path)


def read_run_as(kind: type[_RecordT], path: str | Path) -> _RecordT:
    """Read ``run.json`` as a record with more fields, which are left as plain JSON.

    Raises:
        DatasetError: the file cannot be read or is not the record of a run.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_bytes())
        known = {entry.name: data[entry.name] for entry in fields(kind) if entry.name in data}
        known["model"] = ModelRecord(**data["model"])
        known["status"] = RunStatus(data["status"])
        _check_types(known)
        record = kind(**known)
        check_numbers(record)
        return record
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror or error}); check the path"
        ) from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"{path}: is not the record of a run ({error}); give the folder of an earlier run"
        ) from error


def check_numbers(record: RunRecord) -> None:
    """Check that counts and times are plausible.

    Raises:
        TypeError: one is not a number.
        ValueError: one is negative, not finite, or so large that it has no place in a float.
    """
    counts: dict[str, object] = {
        "frames_done": record.frames_done,
        "frames_dropped": record.frames_dropped,
        "peak_memory": record.peak_memory or 0,
    }
    for name, value in {**counts, **record.timings}.items():
        if not isinstance(value, (int, float)):
            raise TypeError(f"{name} is {value!r:.40}")
        if not 0 <= value < _MOST:
            raise ValueError(f"{name} is not a number that a run can have")


def _check_types(known: dict[str, Any]) -> None:
    for name, kind in _FIELD_TYPES.items():
        if name in known and not isinstance(known[name], kind):
            raise TypeError(f"{name} is {known[name]!r:.40}")
    for value in vars(known["model"]).values():
        if not isinstance(value, str):
            raise TypeError(f"the model is {value!r:.40}")
