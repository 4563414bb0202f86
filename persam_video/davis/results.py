"""Where a method has left its masks, and whether their names are those of the annotations.

A sequence's masks are looked for in the layouts that evaluators expect and that trackers leave::

    SEQ/FRAME.png                        (the official one; ``persam-video davis``)
    SEQ/masks/FRAME.png                  (``persam-video batch``)
    480p/SEQ/FRAME.png  SEQ/SEQ/FRAME.png  masks/SEQ/FRAME.png
    Annotations/480p/SEQ/FRAME.png       (a copy of DAVIS's own)
    masks/FRAME.png  FRAME.png           (where one sequence is scored: ``persam-video track``)
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from persam_video.davis.protocol import ScoredDataset
from persam_video.errors import DatasetError
from persam_video.util.inputs import ProtectedInputs
from persam_video.util.run_record import RunRecord, RunStatus, read_run_as

_NUMBER = re.compile(r"\d+")
_SHOWN = 3
"""Names that a message shows before it counts the others."""


def find_masks(results: Path, name: str, dataset: ScoredDataset) -> Path:
    """Return the folder of one sequence's masks.

    Where no layout fits, it is ``SEQ`` of the official one, which need not exist.

    Args:
        results: folder of the results.
        name: the sequence.
        dataset: the set that they are scored against.

    Raises:
        DatasetError: there are two folders to choose from, or one cannot be listed.
    """
    plain = results / name
    wanted = _stems(dataset.annotation_root / name)
    holding = {
        folder: stems
        for folder in _candidates(results, name, dataset)
        if (stems := {stem for stem in _stems(folder) if _NUMBER.search(stem) or stem in wanted})
    }
    fitting = [folder for folder, stems in holding.items() if stems & wanted]
    if len(fitting) > 1:
        raise DatasetError(
            f"{fitting[0]} and {fitting[1]}: both hold masks of {name}; move one away, or give the "
            "folder that is to be scored"
        )
    return (fitting or [*holding, plain])[0]


def _candidates(results: Path, name: str, dataset: ScoredDataset) -> Sequence[Path]:
    folders = [
        results / name,
        results / name / "masks",
        results / name / name,
        results / dataset.resolution / name,
        results / "masks" / name,
        results / "Annotations" / dataset.resolution / name,
        results / "Annotations" / name,
    ]
    if len(dataset.names) == 1:
        folders += [results / "masks", results]
    return folders


@dataclass(frozen=True)
class NameCheck:
    """How the names of a sequence's masks compare with those of its frames.

    Attributes:
        fault: why the masks cannot be matched with the annotations, in one line; ``None`` if they
            can.
        unsaved: frames that do not count, and have no mask.
        extra: masks of no frame.
    """

    fault: str | None = None
    unsaved: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def check_names(
    masks: Path, annotated: Sequence[str], scored: Collection[str], images: Iterable[str] = ()
) -> NameCheck:
    """Compare the names of masks with those of a sequence's frames.

    Names that are only missing are no fault here: each is one when it is read. Where names are
    missing while others are too many, the masks belong to other frames than they say, and to score
    those that happen to fit would compare each with the annotation of another frame.

    Args:
        masks: folder of the masks.
        annotated: names of the annotated frames, in order.
        scored: those of them that count.
        images: names of all frames, where the dataset has images.

    Raises:
        DatasetError: the folder cannot be listed.
    """
    found = _stems(masks)
    missing = [name for name in annotated if name not in found]
    known = {*annotated, *images}
    digits = all(_NUMBER.search(name) for name in annotated)
    extra = sorted(
        stem for stem in found - known if not digits or _NUMBER.search(stem)
    )  # reference.png is not a mask
    if missing and extra:
        cause = _cause(annotated, sorted((found & known) | set(extra)), missing, extra)
        return NameCheck(f"{masks}: {cause}")
    if other := _other_kind(masks, missing):
        return NameCheck(f"{masks}: {other}")
    return NameCheck(None, tuple(name for name in missing if name not in scored), tuple(extra))


def _cause(
    annotated: Sequence[str], found: Sequence[str], missing: Sequence[str], extra: Sequence[str]
) -> str:
    """Say what has happened to the names, and what to do."""
    facts = (
        f"the masks are named {found[0]}.png to {found[-1]}.png ({len(found)}) where the "
        f"annotations are {annotated[0]}.png to {annotated[-1]}.png ({len(annotated)}): "
    )
    numbers, wanted = _numbers(found), _numbers(annotated)
    if numbers and wanted and len(numbers) == len(found):
        # the same numbers, written with other digits or words around them
        if set(numbers) <= set(wanted):
            return f"{facts}the numbers are written differently; name them as the annotations are"
        shift = numbers[0] - wanted[0] if len(numbers) >= len(wanted) else numbers[-1] - wanted[-1]
        few_missing = len(numbers) >= len(wanted) - 2  # the first and the last may be left out
        if few_missing and shift and {number - shift for number in numbers} <= set(wanted):
            return (
                f"{facts}they are shifted by {abs(shift)}; number them from {annotated[0]}, as the "
                "frames are"
            )
    if len(found) == len(annotated):
        return f"{facts}name each as its annotation is"
    return f"{facts}{_some(missing)} missing, {_some(extra)} of no frame; is it another video?"


def _other_kind(masks: Path, missing: Sequence[str]) -> str | None:
    """Mention masks in other formats under the names that are missing."""
    wanted = set(missing)
    others = sorted(
        path.name
        for path in _listing(masks)
        if path.stem in wanted and path.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp", ".tif"}
    )
    if not others:
        return None
    return f"holds {_some(others, suffix='')}; masks must be named FRAME.png and be PNGs"


def _numbers(names: Sequence[str]) -> list[int]:
    """Return the last number in each name; nothing where one has none."""
    found = [_NUMBER.findall(name) for name in names]
    return sorted(int(numbers[-1]) for numbers in found) if all(found) else []


def _some(names: Sequence[str], suffix: str = ".png") -> str:
    shown = ", ".join(f"{name}{suffix}" for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def describe_checks(checks: Mapping[str, NameCheck]) -> tuple[str, ...]:
    """Return a warning about odd names that can still be scored.

    Args:
        checks: by sequence.
    """
    lines = []
    for names, what in (
        ({name: check.extra for name, check in checks.items() if check.extra},
         "of no frame, not scored"),
        ({name: check.unsaved for name, check in checks.items() if check.unsaved},
         "missing, of frames that do not count"),
    ):  # fmt: skip
        if names:
            name, frames = next(iter(names.items()))
            count = sum(map(len, names.values()))
            more = f", {len(names) - 1} more sequences" if len(names) > 1 else ""
            masks = "1 mask" if count == 1 else f"{count} masks"
            lines.append(f"{masks} {what} ({name}: {_some(frames)}{more})")
    return tuple(lines)


@dataclass
class _BenchmarkRun(RunRecord):
    """What matters here of the ``run.json`` of ``persam-video davis``."""

    sequences: dict[str, Any] = field(default_factory=dict)


def recorded_sequences(results: Path, dataset: ScoredDataset) -> tuple[str, ...]:
    """Return the sequences that ``persam-video davis`` was asked for, if not for all of the set.

    Args:
        results: folder of the results.
        dataset: the whole set.

    Returns:
        Their names in the set's order; nothing where ``run.json`` is missing, is another command's,
        or lists all.

    Raises:
        DatasetError: the run is unfinished, or was of another set.
    """
    record = results / "run.json"
    try:
        if not record.is_file():
            return ()
    except PermissionError:
        return ()  # whoever reads the masks says so
    try:
        run = read_run_as(_BenchmarkRun, record)
    except DatasetError:
        return ()  # something else of that name
    if not isinstance(run.sequences, dict) or not run.sequences:
        return ()
    for option, value in dataset.identity.items():
        recorded = run.source.get(option, value)
        if recorded != value and not set(run.sequences) & set(dataset.names):
            raise DatasetError(
                f"{results}: holds results of {option} {recorded}; pass --{option} {recorded}"
            )
    names = tuple(name for name in dataset.names if name in run.sequences)
    if len(names) == len(dataset.names):
        return ()
    if run.status is not RunStatus.FINISHED:
        raise DatasetError(
            f"{results}: the run is {run.status.value}, {len(names)} of its sequences are finished;"
            " run it again to continue, or score some with --sequence"
        )
    return names


def _stems(folder: Path) -> set[str]:
    return {path.stem for path in _listing(folder) if path.suffix == ".png"}


def _listing(folder: Path) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except PermissionError:
        return []  # whoever reads it says so
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror})") from None


def evaluation_inputs(results: Path, dataset: ProtectedInputs) -> ProtectedInputs:
    """Return what an evaluation reads, and must not write to: results, and those of a dataset."""
    masks = tuple(results.rglob("*.png"))
    return dataset | ProtectedInputs((*masks, results / "run.json"))
