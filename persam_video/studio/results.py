"""Results of tracking, frame by frame, in an append-only file.

A line is written as soon as its frame is done, so that a killed server loses only the frame it was
working on. The latest line of a frame counts; earlier ones stay for comparison, and are restored
when a gesture is undone.
"""

import errno
import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from persam_video.errors import OutputError
from persam_video.masks.rle import Rle, decode, encode_labels
from persam_video.report.findings import ObjectFacts
from persam_video.results import FrameResult, ObjectState
from persam_video.util.atomic import output_error

_BROKEN = (ValueError, LookupError, TypeError, AttributeError)


class Place(NamedTuple):
    """Where a line is in the file.

    Attributes:
        offset: in bytes.
        number: number of the pass that wrote it.
        former: place of the line that it replaced.
        origin: offset of the line that it repeats; its own where it repeats none.
        empty: whether it says that the frame has no result.
    """

    offset: int
    number: int
    former: "Place | None"
    origin: int
    empty: bool

    @property
    def chain(self) -> "Iterator[Place]":
        """This place and the former ones, the latest first."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.former


@dataclass(frozen=True)
class Line:
    """Summary of a frame's latest line; the rest can be read from the file.

    Attributes:
        place: where it is.
        backward: whether the pass that wrote it went backwards.
        time: of the frame, in seconds.
        name: file name of its image, if it has one.
        objects: results of the objects, by id.
    """

    place: Place
    backward: bool
    time: float
    name: str | None
    objects: Mapping[int, ObjectFacts]


class ResultJournal:
    """Results of frames on disk, with a summary of each in memory. Thread-safe.

    Attributes:
        valid: what the last line says of how many frames are valid; ``None`` without a line.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """Open the file and read it.

        Args:
            path: the file; a truncated last line is dropped.
            size: height and width of the frames.

        Raises:
            OutputError: the file cannot be read or written.
        """
        self._path = path
        self._size = size
        self._lock = threading.RLock()
        self._lines: dict[int, Line] = {}
        self._places: dict[int, Place] = {}  # of frames that have lost their result, too
        self._number = 0
        self._end = 0
        self.valid: int | None = None
        try:
            # unbuffered: a buffer would keep what a full disk refused, and retry later
            self._appended = path.open("ab", buffering=0)
            self._file = path.open("rb")
            self._load()
        except OSError as error:
            raise output_error(path, error) from error

    @property
    def end(self) -> int:
        """Length of the file in bytes, which marks a moment in the order of results."""
        return self._end

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._file.closed

    @property
    def frames(self) -> list[int]:
        """Indices of the frames that have a result, in order."""
        with self._lock:
            return sorted(self._lines)

    def lines(self, without: Collection[int] = ()) -> dict[int, Line]:
        """Return the summaries by frame, in order.

        Args:
            without: objects that are left out.
        """
        with self._lock:
            lines = sorted(self._lines.items())
        if not without:
            return dict(lines)
        return {
            frame: replace(
                line, objects={i: o for i, o in line.objects.items() if i not in without}
            )
            for frame, line in lines
        }

    def line(self, frame: int) -> Line | None:
        """Return the summary of a frame, ``None`` where there is no result."""
        return self._lines.get(frame)

    def begin_pass(self) -> None:
        """Begin a new pass, whose results can be compared with those that they replace."""
        with self._lock:
            self._number += 1

    def put(
        self,
        result: FrameResult,
        name: str | None,
        *,
        backward: bool = False,
        valid: int = 0,
        seen: Mapping[int, ObjectFacts] | None = None,
    ) -> None:
        """Write the result of a frame.

        Args:
            result: the result.
            name: file name of the frame's image, if it has one.
            backward: whether the pass goes backwards.
            valid: number of valid frames including this one.
            seen: facts measured in the picture, by object id.

        Raises:
            OutputError: the file cannot be written.
        """
        codes = encode_labels(result.labels, [known.object_id for known in result.objects])
        with self._lock:
            self._write(
                {
                    "pass": self._number,
                    "backward": backward,
                    "valid": valid,
                    "frame": int(result.index),
                    "time": float(result.time),
                    "name": name,
                    **({"cut": True} if result.cut else {}),
                    "objects": [
                        {
                            "id": int(known.object_id),
                            "lost": known.state is ObjectState.LOST,
                            "score": float(np.nan_to_num(known.score)),
                            "area": int(known.area),
                            "box": known.box,
                            "mask": codes[known.object_id]["counts"],
                            **_seen_json((seen or {}).get(known.object_id)),
                        }
                        for known in result.objects
                    ],
                }
            )

    def go_back(self, moment: int, valid: int, frame: int) -> bool:
        """Bring back the results of an earlier moment.

        A frame that had none keeps what it has got since, and the results of a pass that was under
        way at the moment stay.

        Args:
            moment: value of ``end`` at that moment.
            valid: so many frames are brought back even to having no result.
            frame: index of a frame that is brought back in any case.

        Returns:
            Whether the valid frames are as they were.

        Raises:
            OutputError: the file cannot be written.
        """
        with self._lock:
            places = (place for last in self._places.values() for place in last.chain)
            begun = max((place.number for place in places if place.offset < moment), default=0)
            exact = True
            self.begin_pass()
            for index, now in sorted(self._places.items()):
                former = next(
                    (
                        place
                        for place in now.chain
                        if place.offset < moment or (index != frame and place.number <= begun)
                    ),
                    None,
                )
                if former is not None and former.offset >= moment:
                    exact = exact and index >= valid
                had_none = former is None or former.empty
                if had_none and (now.empty or (index != frame and index >= valid)):
                    continue
                if former is None or former.empty:
                    self._write({"pass": self._number, "frame": index, "objects": None, "valid": 0})
                elif former.origin != now.origin:
                    again = {"pass": self._number, "origin": former.origin, "valid": 0}
                    self._write({**self._data(former.offset), **again})
            self.begin_pass()  # a pass under way goes on as another one
            return exact

    def get(self, frame: int) -> FrameResult | None:
        """Return the result of a frame; ``None`` if it has none."""
        with self._lock:
            line = self._lines.get(frame)
            return None if line is None else self._read(line.place)

    def before(self, frame: int) -> FrameResult | None:
        """Return the result of a frame before the last pass, which may have left it unchanged."""
        with self._lock:
            line = self._lines.get(frame)
            if line is None:
                return None
            place, former = line.place, line.place.former
            is_new = place.number == self._number
            return self._read(former if is_new and former and not former.empty else place)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._file.close()
            self._appended.close()

    def _read(self, place: Place) -> FrameResult:
        data = self._data(place.offset)
        labels = np.zeros(self._size, np.uint8)
        for known in data["objects"]:
            code = Rle(size=list(self._size), counts=known["mask"])
            labels[decode(code)] = known["id"]
        states = {
            known["id"]: ObjectState.LOST if known["lost"] else ObjectState.TRACKED
            for known in data["objects"]
        }
        return FrameResult.from_labels(
            data["frame"],
            data["time"],
            labels,
            list(states),
            scores={known["id"]: known["score"] for known in data["objects"]},
            states=states,
            cut=data.get("cut", False),
        )

    def _data(self, offset: int) -> Any:
        self.check_open()
        try:
            self._file.seek(offset)
            return json.loads(self._file.readline())
        except OSError as error:
            raise output_error(self._path, error) from error

    def _write(self, data: dict[str, Any]) -> None:
        """Append a line to the file, and index it."""
        self.check_open()
        raw = f"{json.dumps(data, allow_nan=False, separators=(',', ':'))}\n".encode()
        try:
            if self._appended.write(raw) != len(raw):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                self._appended.truncate(self._end)
            raise output_error(self._path, error) from error
        self._take(data, self._end)
        self._end += len(raw)

    def _load(self) -> None:
        self._file.seek(0)
        for raw in self._file:
            try:
                if not raw.endswith(b"\n"):
                    raise ValueError("cut off")
                self._take(json.loads(raw), self._end)
            except _BROKEN:
                break
            self._end += len(raw)
        self._appended.truncate(self._end)

    def _take(self, data: dict[str, Any], offset: int) -> None:
        frame, number = int(data["frame"]), int(data["pass"])
        valid, empty = int(data["valid"]), data["objects"] is None
        former = self._places.get(frame)
        if former is not None and former.number == number:
            former = former.former
        place = Place(offset, number, former, int(data.get("origin", offset)), empty)
        if empty:
            self._lines.pop(frame, None)
        else:
            objects = {int(known["id"]): _facts(known) for known in data["objects"]}
            line = Line(place, data["backward"], float(data["time"]), data["name"], objects)
            self._lines[frame] = line
        self._places[frame] = place
        self._number = max(self._number, number)
        self.valid = valid

    def check_open(self) -> None:
        """Refuse to continue after ``close``.

        Raises:
            OutputError: the journal is closed.
        """
        if self._file.closed:
            raise OutputError("the session is closed: open it again")


def _seen_json(seen: ObjectFacts | None) -> dict[str, Any]:
    """Return what the picture tells of an object in the types of JSON."""
    told: dict[str, Any] = {}
    if seen is not None and seen.likeness is not None:
        told["likeness"] = round(float(seen.likeness), 4)
    if seen is not None and seen.passed:
        told["passed"] = {str(other): round(float(n), 4) for other, n in seen.passed.items()}
    return told


def _facts(known: dict[str, Any]) -> ObjectFacts:
    box = known["box"]
    return ObjectFacts(
        known["lost"],
        known["score"],
        known["area"],
        None if box is None else tuple(box),
        known.get("likeness"),
        {int(other): float(share) for other, share in known.get("passed", {}).items()},
    )
