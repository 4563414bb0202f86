"""The archives in which servers want results.

Those of DAVIS, MOSE and VOST hold ``<sequence>/<frame>.png``, those of YouTube-VOS and LVOS the
same below ``Annotations/``. For VOTS the archive holds what the VOT toolkit's ``vot pack`` takes in
a workspace: ``results/persam-video/baseline/<sequence>/<sequence>_<object>_001.txt``.
"""

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from persam_video.davis.dataset import DavisDataset
from persam_video.davis.labels import read_labels
from persam_video.errors import OutputError
from persam_video.util.atomic import atomic_path, check_suffix, make_folder
from persam_video.util.inputs import same_place
from persam_video.vos.dataset import VosDataset
from persam_video.vos.regions import GIVEN, UNKNOWN, format_mask
from persam_video.vos.vots import VotsDataset

TRACKER = "persam-video"
"""What the VOT toolkit knows the results by."""

_MIDNIGHT = (1980, 1, 1, 0, 0, 0)  # the same masks make the same archive

Dataset = DavisDataset | VosDataset | VotsDataset

Entry = tuple[str, bytes]
"""A file of an archive: its name and what it holds."""


def check_archive(path: Path, dataset: Dataset, results: Path) -> None:
    """Refuse an archive that is no ZIP, or that would replace what a run reads or writes.

    Raises:
        OutputError: it is one.
    """
    check_suffix(path, ".zip")
    dataset.inputs.check([path])
    if same_place(path, results):
        raise OutputError(f"{path}: is the folder of the results; choose another file")


def write_submission(path: Path, dataset: Dataset, results: Path) -> int:
    """Write the archive that a benchmark's server wants, and return how many files it holds.

    Args:
        path: the archive, which appears whole or not at all.
        dataset: the set that was tracked.
        results: folder of the results, as ``run_benchmark`` leaves it.

    Raises:
        DatasetError: a mask is missing.
        OutputError: the archive cannot be written.
    """
    if isinstance(dataset, VotsDataset):
        return _write_archive(path, _vots_entries(results, dataset))
    if isinstance(dataset, VosDataset):
        frames = ((name, dataset.submitted(name)) for name in dataset.names)
        return _write_archive(path, _mask_entries(results, frames, dataset.rules.zip_folder))
    stems = ((name, [image.stem for image in dataset.images(name)]) for name in dataset.names)
    return _write_archive(path, _mask_entries(results, stems))


def _mask_entries(
    results: Path, frames: Iterable[tuple[str, Sequence[str]]], folder: str = ""
) -> Iterator[Entry]:
    """Give the masks of sequences and their frames; ``folder`` has a slash at its end."""
    for name, wanted in frames:
        for frame in wanted:
            path = results / name / f"{frame}.png"
            read_labels(path)  # a server would say less of what is wrong
            yield f"{folder}{name}/{frame}.png", path.read_bytes()


def _vots_entries(results: Path, dataset: VotsDataset) -> Iterator[Entry]:
    """Give the trajectories of VOTS."""
    for name in dataset.names:
        trajectories = dataset.trajectories(name)
        begins = [trajectory.begin() for trajectory in trajectories.values()]
        lines: list[list[str]] = [[] for _ in begins]
        for index, image in enumerate(dataset.images(name)):
            labels = read_labels(results / name / f"{image.stem}.png")
            for position, begin in enumerate(begins):
                if index > begin:
                    line = format_mask(np.asarray(labels == position + 1))
                else:
                    line = GIVEN if index == begin else UNKNOWN
                lines[position].append(line)
        for one, of_object in zip(trajectories, lines, strict=True):
            stem = name if len(trajectories) == 1 else f"{name}_{one}"
            place = f"results/{TRACKER}/baseline/{name}/{stem}_001.txt"
            yield place, ("\n".join(of_object) + "\n").encode()


def _write_archive(path: Path, entries: Iterable[Entry]) -> int:
    make_folder(path.parent)
    count = 0
    with atomic_path(path) as sibling, zipfile.ZipFile(sibling, "w") as archive:
        for name, data in entries:
            entry = zipfile.ZipInfo(name, _MIDNIGHT)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
            count += 1
    return count
