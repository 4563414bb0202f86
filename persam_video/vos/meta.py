"""The JSON lists of sequences and objects in YouTube-VOS, MOSE and LVOS."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persam_video.davis.dataset import checked_name
from persam_video.errors import DatasetError

LVOS_STEP = 5
"""Step between annotated frames of LVOS."""


@dataclass(frozen=True)
class ObjectMeta:
    """Metadata of an object.

    Attributes:
        category: its category, if listed.
        frames: names of its listed annotated frames, in order; may be empty.
    """

    category: str | None
    frames: tuple[str, ...]


@dataclass(frozen=True)
class SequenceMeta:
    """Metadata of a sequence.

    Attributes:
        objects: its objects by label.
        attributes: challenge attributes, such as ``OCC``.
    """

    objects: Mapping[int, ObjectMeta]
    attributes: tuple[str, ...]


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: it is missing, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; it lists the sequences") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is not JSON ({error}): download it again") from None


def read_meta(path: Path) -> dict[str, SequenceMeta]:
    """Read a list of sequences and objects.

    Its ``videos`` are sequences by name, their ``objects`` by label. An object's annotated frames
    are its ``frames``, or follow from its ``frame_range``: the first one and their number, with a
    step of five frames.

    Raises:
        DatasetError: the file is missing or malformed.
    """
    place = ""
    try:
        found = {}
        for name, video in read_json(path)["videos"].items():
            place = f" at {name}"
            objects = {
                _label(label): ObjectMeta(entry.get("category"), _frames(entry))
                for label, entry in video["objects"].items()
            }
            attributes = tuple(str(one) for one in video.get("attributes", ()))
            found[checked_name(name, str(path))] = SequenceMeta(objects, attributes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = f"{error} is missing" if isinstance(error, KeyError) else error
        raise DatasetError(
            f"{path}: is not a list of videos and their objects{place} ({fault})"
        ) from None
    if not found:
        raise DatasetError(f"{path}: lists no sequence")
    return found


def _label(text: str) -> int:
    label = int(text)
    if not 0 < label < 255:
        raise ValueError(f"object {text}; labels are 1 to 254")
    return label


def _frames(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if (span := entry.get("frame_range")) is not None:
        start, count = str(span["start"]), int(span["frame_nums"])
        digits = max(len(start), 8)
        return tuple(f"{int(start) + LVOS_STEP * step:0{digits}d}" for step in range(count))
    frames = entry.get("frames", ())
    if isinstance(frames, str):
        raise ValueError("frames is a string")
    return tuple(str(frame) for frame in frames)
