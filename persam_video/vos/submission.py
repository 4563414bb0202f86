"""Archives for submission to the benchmarks' servers.

Those of DAVIS, MOSE and VOST hold ``<sequence>/<frame>.png``, those of YouTube-VOS and LVOS the
same below ``Annotations/``. For VOTS the archive has the layout of the VOT toolkit's ``vot pack``:
``results/persam-video/baseline/<sequence>/<sequence>_<object>_001.txt``.
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
"""Name of the tracker in the VOT toolkit's results."""

_MIDNIGHT = (1980, 1, 1, 0, 0, 0)  # a fixed date, so that the same masks give the same archive

Dataset = DavisDataset | VosDataset | VotsDataset

Entry = tuple[str, bytes]
"""A file in an archive: its name and contents."""


def check_archive(path: Path, dataset: Dataset, results: Path, *, overwrite: bool) -> None:
    """Refuse an archive that is not a ZIP, or that would replace files.

    Args:
        path: the archive.
        dataset: the set that is tracked.
        results: folder of the results.
        overwrite: whether the run starts over, and may replace an earlier archive.

    Raises:
        OutputError: it is such an archive.
    """
    check_suffix(path, ".zip")
    dataset.inputs.check([path])
    if same_place(path, results):
        raise OutputError(f"{path} is the folder of the results: choose another file")
    if path.exists() and not overwrite:  # it may be the downloaded data set
        raise OutputError(
            f"{path} already exists: choose another name, or remove it; --overwrite tracks all "
            "sequences again and replaces it"
        )


def write_submission(path: Path, dataset: Dataset, results: Path) -> int:
    """Write the archive for a benchmark's server, and return its number of files.

    Args:
        path: the archive, written atomically.
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
    """Yield the masks of all sequences; ``folder`` ends with a slash."""
    for name, wanted in frames:
        for frame in wanted:
            path = results / name / f"{frame}.png"
            read_labels(path)  # a server would give a less helpful message
            yield f"{folder}{name}/{frame}.png", path.read_bytes()


def _vots_entries(results: Path, dataset: VotsDataset) -> Iterator[Entry]:
    """Yield the trajectories of VOTS."""
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
