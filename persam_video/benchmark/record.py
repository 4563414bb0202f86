"""The record of a benchmark run: what is finished, and what may be continued."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from persam_video.config import Settings
from persam_video.davis.protocol import TrackedDataset
from persam_video.errors import DatasetError, OutputError
from persam_video.sam.model import ModelInfo
from persam_video.util.run_record import (
    ModelRecord,
    RunRecord,
    check_numbers,
    check_program,
    read_run_as,
)


@dataclass(frozen=True)
class SequenceRecord:
    """A finished sequence.

    Attributes:
        frames: number of masks.
        width: width of the masks in pixels.
        height: height of the masks in pixels.
        seconds: from reading the first frame to writing the last mask.
        masks_sha256: hash of the mask files, as ``masks_sha256`` computes it.
    """

    frames: int
    width: int
    height: int
    seconds: float
    masks_sha256: str


@dataclass
class BenchmarkRecord(RunRecord):
    """The contents of a benchmark's ``run.json``.

    Attributes:
        sequences: the finished sequences, by name.
    """

    sequences: dict[str, SequenceRecord] = field(default_factory=dict)

    def finish(self, name: str, sequence: SequenceRecord) -> None:
        """Add a finished sequence."""
        self.sequences[name] = sequence
        self.count()

    def count(self) -> None:
        """Add up the frames and seconds of the finished sequences.

        Raises:
            TypeError: a sequence holds something other than numbers.
        """
        self.frames_done = sum(sequence.frames for sequence in self.sequences.values())
        self.timings = {"track": sum(sequence.seconds for sequence in self.sequences.values())}


def new_record(
    dataset: TrackedDataset, settings: Settings, model: ModelInfo, threads: int
) -> BenchmarkRecord:
    """Return the record of a run that has not started yet."""
    return BenchmarkRecord(
        ModelRecord(model.name, model.sha256),
        # the model is recorded as resolved: auto is not a device
        settings=settings.model_dump(mode="json", exclude={"model"}),
        source={
            "root": dataset.root,
            **dataset.identity,
            "device": model.device.partition(":")[0],
            "precision": model.precision,
            "image_size": model.image_size,
            "threads": threads,
        },
    )


def read_record(path: Path) -> BenchmarkRecord:
    """Read the record of an earlier run.

    Raises:
        DatasetError: the file cannot be read, or is not such a record.
    """
    record = read_run_as(BenchmarkRecord, path)
    try:
        record.sequences = {
            name: SequenceRecord(**values)  # type: ignore[arg-type]
            for name, values in record.sequences.items()
        }
        record.count()
        check_numbers(record)
    except (TypeError, AttributeError, ValueError) as error:
        raise DatasetError(f"{path}: is not the record of a benchmark ({error})") from error
    return record


def check_same_run(earlier: BenchmarkRecord, now: BenchmarkRecord, folder: str) -> None:
    """Check that an earlier run has the same settings, model and sequences.

    The dataset may have moved to another folder.

    Raises:
        OutputError: something differs.
    """
    check_program(earlier, now, folder)
    differences = [
        *_differences(earlier.settings, now.settings),
        *_differences(vars(earlier.model), vars(now.model), "model."),
        *_differences({**earlier.source, "root": None}, {**now.source, "root": None}),
    ]
    _refuse(differences, folder, "other settings")


def check_same_versions(earlier: BenchmarkRecord, now: BenchmarkRecord, folder: str) -> None:
    """Check that an earlier run was made with the same versions of the libraries.

    Raises:
        OutputError: a version differs.
    """
    _refuse(_differences(earlier.versions, now.versions), folder, "other versions")


def masks_sha256(folder: Path, frames: Iterable[str]) -> str:
    """Return the SHA-256, in hexadecimal, of the names and contents of the masks of some frames.

    Raises:
        OSError: a mask is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for frame in frames:
        data = (folder / f"{frame}.png").read_bytes()
        digest.update(f"{frame} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def _differences(earlier: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key in sorted(earlier.keys() | now.keys()):
        was, is_ = earlier.get(key), now.get(key)
        if isinstance(was, dict) and isinstance(is_, dict):
            found += _differences(was, is_, f"{prefix}{key}.")
        elif was != is_:
            found.append(f"{prefix}{key} was {was}, now {is_}")
    return found


def _refuse(differences: list[str], folder: str, what: str) -> None:
    if differences:
        raise OutputError(
            f"{folder}: holds a run with {what} ({'; '.join(differences)}): "
            "choose another folder, or pass --overwrite to start over"
        )
