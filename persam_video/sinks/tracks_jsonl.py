"""Boxes, areas, scores, states and run-length codes, one JSON line per frame."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import DatasetError
from persam_video.masks.boxes import Box
from persam_video.masks.labels import MAX_OBJECT_ID
from persam_video.masks.rle import Rle, decode, encode_labels
from persam_video.results import FrameResult, ObjectResult, ObjectState
from persam_video.sinks.base import Sink, coco_box, finite_score
from persam_video.util.atomic import make_parent, writing
from persam_video.video.frame import Frame

# What reading JSON of any other form can raise; the last is for lists in lists without end.
_NOT_A_LINE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class ObjectRecord(ObjectResult):
    """One object of a line.

    Attributes:
        segmentation: COCO run-length code of the mask.
    """

    segmentation: Rle

    def mask(self) -> NDArray[np.bool_]:
        """Return the boolean (H, W) mask.

        Raises:
            ValueError: the run-length code is damaged.
        """
        return decode(self.segmentation)


@dataclass(frozen=True)
class FrameRecord:
    """One line of tracks.

    Attributes:
        frame: index in the source.
        time: in seconds.
        objects: the objects known so far, in order of id.
        name: file name of the frame's image; ``None`` where the source is a video.
        cut: whether the frame begins a new scene.
    """

    frame: int
    time: float
    objects: tuple[ObjectRecord, ...]
    name: str | None = None
    cut: bool = False

    def result(self, size: tuple[int, int]) -> FrameResult:
        """Return the result that the line records; scores have six decimals.

        Args:
            size: height and width of the frame.

        Raises:
            ValueError: a run-length code is damaged, or of another size.
        """
        labels = np.zeros(size, np.uint8)
        for known in self.objects:
            # looked at before it is unpacked: a short code may stand for any number of pixels
            if tuple(known.segmentation["size"]) != size:
                raise ValueError(f"the mask of object {known.object_id} is of another size")
            labels[known.mask()] = known.object_id
        objects = tuple(
            ObjectResult(o.object_id, o.state, o.score, o.box, o.area, o.name) for o in self.objects
        )
        return FrameResult(self.frame, self.time, labels, objects, self.cut)


class TracksJsonlSink(Sink):
    """Writes one line of JSON per frame, each flushed so that others can follow a run.

    A line has this form (here over several)::

        {"frame": 12,                       index in the source, from 0
         "name": "00013.jpg",               file name of its image; not there for a video
         "time": 0.4004,                    seconds
         "cut": true,                       a new scene begins; not there in other frames
         "objects": [                       every object known so far, in order of id
           {"id": 1,                        the annotation's label
            "name": "dog",                  not there where the annotation names none
            "state": "tracked",             or "lost"
            "score": 0.93,                  confidence 0 to 1, six decimals
            "box": [10, 20, 30, 40],        x, y, width, height in pixels; null for an empty mask
            "area": 812,                    pixels of the mask
            "segmentation": {"size": [480, 854], "counts": "..."}}]}

    ``segmentation`` is the mask in COCO's compressed run-length code (size is height, width), as
    pycocotools reads it. Numbers are finite: a score that is not becomes 0.
    """

    def __init__(self, path: str | Path, *, keep: int = 0) -> None:
        """Open the file, replacing an existing one and creating its folder.

        Args:
            path: the file.
            keep: number of lines of an existing file to keep; writing continues after them.

        Raises:
            OutputError: the file cannot be written.
        """
        self._path = Path(path)
        make_parent(self._path)
        with writing(self._path):
            if keep:
                _cut(self._path, keep)
            mode = "a" if keep else "w"
            self._file = self._path.open(mode, encoding="utf-8", newline="\n")

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Write the line of one frame.

        Raises:
            OutputError: the file cannot be written.
        """
        line = tracks_line(frame, result)
        with writing(self._path):
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Close the file.

        Raises:
            OutputError: the rest of the last line cannot be written.
        """
        with writing(self._path):
            self._file.close()


def read_tracks(path: str | Path) -> Iterator[FrameRecord]:
    """Read the lines of a ``TracksJsonlSink``, one at a time.

    An incomplete last line, which a killed run leaves, is ignored.

    Raises:
        DatasetError: the file cannot be read, or a line before the last is damaged.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    record = _record(json.loads(line))
                except _NOT_A_LINE as error:
                    if not line.endswith(b"\n"):
                        return
                    raise DatasetError(
                        f"{path}: line {number} is not a line of tracks ({error}); "
                        "remove the file or track again"
                    ) from error
                yield record
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror or error}); check the path"
        ) from error


def tracks_line(frame: Frame, result: FrameResult) -> str:
    """Return the line of a frame, with its end; see ``TracksJsonlSink``."""
    return f"{json.dumps(_line(frame, result), allow_nan=False, separators=(',', ':'))}\n"


def _cut(path: Path, lines: int) -> None:
    """Truncate a file after a number of lines."""
    with path.open("r+b") as file:
        for _ in range(lines):
            file.readline()
        file.truncate(file.tell())


def _line(frame: Frame, result: FrameResult) -> dict[str, Any]:
    codes = encode_labels(result.labels, [known.object_id for known in result.objects])
    return {
        "frame": int(result.index),
        **({} if frame.name is None else {"name": frame.name}),
        "time": float(result.time),
        **({"cut": True} if result.cut else {}),
        "objects": [
            {
                "id": int(known.object_id),
                **({} if known.name is None else {"name": known.name}),
                "state": known.state.value,
                "score": finite_score(known),
                "box": coco_box(known.box),
                "area": int(known.area),
                "segmentation": codes[known.object_id],
            }
            for known in result.objects
        ],
    }


def _record(line: dict[str, Any]) -> FrameRecord:
    return FrameRecord(
        frame=int(line["frame"]),
        time=_finite(line["time"]),
        objects=tuple(
            ObjectRecord(
                object_id=_label(known["id"]),
                state=ObjectState(known["state"]),
                score=_finite(known["score"]),
                box=_from_coco(known["box"]),
                area=int(known["area"]),
                segmentation=_rle(known["segmentation"]),
                name=_name(known.get("name")),
            )
            for known in line["objects"]
        ),
        name=_file_name(line.get("name")),
        cut=line.get("cut") is True,
    )


def _from_coco(box: list[int] | None) -> Box | None:
    if box is None:
        return None
    x, y, width, height = map(int, box)
    return x, y, x + width, y + height


def _file_name(name: Any) -> str | None:
    # files are named after it: it must not lead out of their folder
    if name is not None and (not isinstance(name, str) or name != PurePath(name).name):
        raise ValueError(f"{name!r:.40} is not the name of a file")
    return name


def _name(name: Any) -> str | None:
    if name is not None and not isinstance(name, str):
        raise TypeError(f"{name!r:.40} is not the name of an object")
    return name


def _label(number: Any) -> int:
    value = int(number)
    if not 1 <= value <= MAX_OBJECT_ID:
        raise ValueError(f"{value} is not the id of an object")
    return value


def _finite(number: Any) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


def _rle(code: dict[str, Any]) -> Rle:
    height, width = map(int, code["size"])
    return Rle(size=[height, width], counts=str(code["counts"]))
