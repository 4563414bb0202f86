"""What tracking found, frame by frame, in a file that only grows.

A line is written as soon as its frame is done, so that a server that is killed has lost nothing but
the frame it was at. The latest line of a frame counts; the one from before the last pass stays, to
be compared with.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from persam_video.masks.rle import Rle, decode, encode_labels
from persam_video.report.findings import ObjectFacts
from persam_video.results import FrameResult, ObjectState
from persam_video.util.atomic import atomic_path, output_error

_BROKEN = (ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Line:
    """Where the result of a frame is in the file, and what is needed without reading it.

    Attributes:
        offset: of the line, in bytes.
        number: of the pass that made it.
        backward: whether that pass went backwards.
        time: of the frame, in seconds.
        name: file name of its image, if it has one.
        objects: by id.
    """

    offset: int
    number: int
    backward: bool
    time: float
    name: str | None
    objects: Mapping[int, ObjectFacts]


class ResultJournal:
    """Results of frames, on disk; memory holds a short summary of each. For several threads."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """Open the file, and read what is in it.

        Args:
            path: the file; a last line that was cut off is dropped.
            size: height and width of the frames.

        Raises:
            OutputError: the file cannot be read or written.
        """
        self._path = path
        self._size = size
        self._lock = threading.RLock()
        self._lines: dict[int, Line] = {}
        self._before: dict[int, Line] = {}
        self._number = 0
        try:
            self._file = path.open("a+b")
            self._load()
        except OSError as error:
            raise output_error(path, error) from error

    @property
    def frames(self) -> list[int]:
        """Indices of the frames that have a result, in order."""
        with self._lock:
            return sorted(self._lines)

    @property
    def lines(self) -> dict[int, Line]:
        """The summaries by frame, in order."""
        with self._lock:
            return dict(sorted(self._lines.items()))

    def __contains__(self, frame: int) -> bool:
        return frame in self._lines

    def line(self, frame: int) -> Line | None:
        """Return the summary of a frame, ``None`` where there is no result."""
        return self._lines.get(frame)

    def begin_pass(self) -> int:
        """Begin to track anew: what it overwrites can be compared with what it writes."""
        with self._lock:
            self._before.clear()
            self._number += 1
            return self._number

    def put(self, result: FrameResult, name: str | None, *, backward: bool = False) -> None:
        """Write the result of a frame.

        Raises:
            OutputError: the file cannot be written.
        """
        codes = encode_labels(result.labels, [known.object_id for known in result.objects])
        data = {
            "pass": self._number,
            "backward": backward,
            "frame": int(result.index),
            "time": float(result.time),
            "name": name,
            "objects": [
                {
                    "id": int(known.object_id),
                    "lost": known.state is ObjectState.LOST,
                    "score": float(np.nan_to_num(known.score)),
                    "area": int(known.area),
                    "box": known.box,
                    "mask": codes[known.object_id]["counts"],
                }
                for known in result.objects
            ],
        }
        with self._lock:
            offset = self._append([data])
            self._take(data, offset)

    def get(self, frame: int) -> FrameResult | None:
        """Return the result of a frame, ``None`` where it has none."""
        return self._read(frame, self._lines)

    def before(self, frame: int) -> FrameResult | None:
        """Return what a frame was before the last pass; where that left it alone, what it is."""
        return self._read(frame, self._before) or self.get(frame)

    def forget(self, object_id: int) -> None:
        """Take an object out of all results.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._lock:
            self._rewrite(without=object_id)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._file.close()

    def _read(self, frame: int, lines: Mapping[int, Line]) -> FrameResult | None:
        with self._lock:
            line = lines.get(frame)
            if line is None:
                return None
            data = self._data(line)
        labels = np.zeros(self._size, np.uint8)
        for known in data["objects"]:
            code = Rle(size=list(self._size), counts=known["mask"])
            labels[decode(code)] = known["id"]
        states = {
            known["id"]: ObjectState.LOST if known["lost"] else ObjectState.TRACKED
            for known in data["objects"]
        }
        return FrameResult.from_labels(
            frame,
            line.time,
            labels,
            list(states),
            scores={known["id"]: known["score"] for known in data["objects"]},
            states=states,
        )

    def _data(self, line: Line) -> Any:
        self._file.seek(line.offset)
        return json.loads(self._file.readline())

    def _load(self) -> None:
        self._file.seek(0)
        offset = 0
        for raw in self._file:
            try:
                if not raw.endswith(b"\n"):
                    raise ValueError("cut off")
                self._take(json.loads(raw), offset)
            except _BROKEN:
                break
            offset += len(raw)
        self._file.truncate(offset)

    def _take(self, data: dict[str, Any], offset: int) -> None:
        frame, number = int(data["frame"]), int(data["pass"])
        if number > self._number:  # only while a file is read
            self._before.clear()
            self._number = number
        old = self._lines.get(frame)
        if old is not None and old.number != number:
            self._before[frame] = old
        objects = {int(known["id"]): _facts(known) for known in data["objects"]}
        self._lines[frame] = Line(
            offset, number, data["backward"], float(data["time"]), data["name"], objects
        )

    def _append(self, items: Iterable[dict[str, Any]]) -> int:
        """Write lines to the end of the file, and return where the last one begins."""
        try:
            offset = self._file.seek(0, 2)
            for data in items:
                offset = self._file.tell()
                self._file.write(_encoded(data))
            self._file.flush()
        except OSError as error:
            raise output_error(self._path, error) from error
        return offset

    def _rewrite(self, without: int) -> None:
        kept = sorted(
            (line for lines in (self._before, self._lines) for line in lines.values()),
            key=lambda line: line.offset,
        )
        with atomic_path(self._path) as sibling, sibling.open("wb") as file:
            for line in kept:
                data = self._data(line)
                data["objects"] = [o for o in data["objects"] if o["id"] != without]
                if data["objects"]:
                    file.write(_encoded(data))
        self._file.close()
        self._lines, self._before, number = {}, {}, self._number
        self._file = self._path.open("a+b")
        self._load()
        self._number = max(self._number, number)


def _facts(known: dict[str, Any]) -> ObjectFacts:
    # sessions of before boxes were written have none
    box = known.get("box")
    return ObjectFacts(
        known["lost"], known["score"], known["area"], None if box is None else tuple(box)
    )


def _encoded(data: dict[str, Any]) -> bytes:
    return f"{json.dumps(data, allow_nan=False, separators=(',', ':'))}\n".encode()
