"""Lists of videos to track, from YAML or CSV."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from persam_video.config import parse_assignments
from persam_video.errors import ConfigError, PersamVideoError
from persam_video.fleet.storage import is_remote, read_bytes
from persam_video.prompting import ObjectPrompts, parse_prompts
from persam_video.run.annotations import Mask, parse_masks
from persam_video.util.suggest import did_you_mean, nearest
from persam_video.util.urls import local_path
from persam_video.util.yaml import load_yaml

_KEYS = ("source", "mask", "boxes", "points", "name", "settings")
_LISTS = ("mask", "boxes", "points")
_BETWEEN = ";"  # values in one cell of a CSV file; boxes and points have commas of their own

# what every file system takes as the name of a folder, and none reads as a way to another one
_PLAIN_NAME = re.compile(r"(?!\.)[^/\\:*?\"<>|\x00-\x1f\x7f]{1,200}(?<![. ])")


@dataclass(frozen=True)
class Job:
    """A video to track, and the objects to track in it.

    Attributes:
        name: name of the folder for its results.
        source: video file, folder of images, glob, camera index or URL.
        masks: annotations by frame index, ``None`` for one without an index.
        prompts: boxes and points in the first frame.
        overrides: settings for this video only, by dotted key.

    Raises:
        ConfigError: the name cannot be used as a folder name.
    """

    name: str
    source: str
    masks: Mapping[int | None, Mask] = field(default_factory=dict)
    prompts: tuple[ObjectPrompts, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _PLAIN_NAME.fullmatch(self.name):
            raise ConfigError(
                f"{self.name!r} is not a folder name: give the job a 'name' without / and :"
            )


def read_jobs(path: str | Path) -> tuple[Job, ...]:
    """Read a list of jobs.

    A job has a ``source`` and a ``mask``, ``boxes`` or ``points``, written as on the command line.
    ``name`` defaults to the stem of the source, and ``settings`` apply to this job only. Relative
    paths start from the working directory.

    Args:
        path: a CSV file whose first line names the columns (semicolons separate several values in
            one cell; settings are written ``key=value``), or a YAML list of mappings; or the URL of
            such a file on a storage.

    Raises:
        PersamVideoError: the file cannot be read, or a job is malformed.
    """
    text = _read_text(str(path))
    path = Path(path)
    rows = _csv_rows if path.suffix.lower() == ".csv" else _yaml_rows
    jobs = []
    for number, row in enumerate(rows(text, path), start=1):
        try:
            jobs.append(_job(row()))
        except PersamVideoError as error:
            raise type(error)(f"{path}, job {number}: {error}") from error
    if not jobs:
        raise ConfigError(f"{path} has no jobs: each needs a source, and a mask, boxes or points")
    return tuple(jobs)


def _read_text(path: str) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        ConfigError: the file is missing, or has another encoding or format.
    """
    try:
        data = read_bytes(path) if is_remote(path) else Path(local_path(path)).read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give a YAML or CSV file of jobs") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; give a YAML or CSV file of jobs") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error
    if data.startswith(b"PK"):
        raise ConfigError(f"{path}: is a spreadsheet or an archive; export the list as CSV")
    # as spreadsheets save "Unicode text"; ASCII in UTF-16 has a NUL in every other byte
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4]:
        raise ConfigError(f"{path}: is in UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}: is not in UTF-8 (byte {data[error.start]:#04x} in line {line}); save it as "
            "UTF-8"
        ) from error


_Row = Callable[[], Mapping[str, Any]]
"""Gives the values of a job by key, or raises what is wrong with their form."""


def _yaml_rows(text: str, path: Path) -> Iterator[_Row]:
    try:
        listed = load_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(listed, list):
        first = text.split("\n", maxsplit=1)[0]
        hint = "; is it CSV? Then name it .csv" if "source" in re.split("[,;\t]", first) else ""
        raise ConfigError(f"{path} is not a list of jobs: start each with '- source: FILE'{hint}")
    for values in listed:
        yield lambda values=values: _mapping(values, "the job")  # type: ignore[misc]


def _csv_rows(text: str, path: Path) -> Iterator[_Row]:
    _check_separator(text, path)
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise ConfigError(f"{path} is not valid CSV: {error}") from error
    header = [name.strip() for name in lines[0]] if lines else []
    _check_header(header, path)
    if len(set(header)) < len(header):
        raise ConfigError(f"{path}: two columns have the same name: give each its own")
    for cells in lines[1:]:
        yield lambda cells=cells: _csv_values(header, cells)  # type: ignore[misc]


def _check_separator(text: str, path: Path) -> None:
    """Reject a table whose columns are not separated by commas."""
    first = text.lstrip().split("\n", maxsplit=1)[0]
    for separator, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        names = [name.strip(" '\"\r") for name in first.split(separator)]
        if len(names) > 1 and "source" in names:
            raise ConfigError(f"{path}: its columns are separated by {called}; use commas")


def _check_header(header: list[str], path: Path) -> None:
    """Reject a table whose first line does not name the columns."""
    if header and not any(nearest(name, _KEYS) for name in header):
        raise ConfigError(
            f"{path}: the first line must name the columns ({', '.join(_KEYS)}), found "
            f"{', '.join(header)!r:.80}"
        )


def _csv_values(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        raise ConfigError(
            f"has {len(cells)} cells where there are {len(header)} columns: put cells with commas "
            "in double quotes"
        )
    values: dict[str, Any] = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    for key in (*_LISTS, "settings"):
        if values.get(key):
            values[key] = [part.strip() for part in values[key].split(_BETWEEN) if part.strip()]
    if values.get("settings"):
        values["settings"] = parse_assignments(values["settings"])
    # an unknown column is to be told even where its cell is empty
    return {key: value for key, value in values.items() if value or key not in _KEYS}


def _job(values: Mapping[str, Any]) -> Job:
    for key in values:
        if key not in _KEYS:
            raise ConfigError(f"unknown key {key!r}: {did_you_mean(str(key), _KEYS)}")
    if "source" not in values:
        raise ConfigError("has no source: give a video file, folder of images, glob or URL")
    source = _text(values["source"], "source")
    masks, boxes, points = (_texts(values.get(key, []), key) for key in _LISTS)
    if not (masks or boxes or points):
        raise ConfigError(f"{source} has no mask, boxes or points: give one of them")
    return Job(
        name=_text(values["name"], "name") if "name" in values else Path(source).stem,
        source=source,
        masks=parse_masks(masks),
        prompts=parse_prompts(boxes, points),
        overrides=_mapping(values.get("settings", {}), "settings"),
    )


def _texts(value: Any, key: str) -> list[str]:
    return [_text(item, key) for item in (value if isinstance(value, list) else [value])]


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} is {value!r} and not text: put it in quotes")
    return value


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{what} must be 'key: value' lines")
    return value
