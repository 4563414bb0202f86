"""Values from untrusted files, with their location for messages."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError

_FARTHEST = 1e6  # pixels; no image is that large


@dataclass(frozen=True)
class Value:
    """A value of a JSON document.

    Attributes:
        value: the parsed value.
        place: the file and the keys that lead to the value.
    """

    value: Any
    place: str

    def refuse(self, found: str) -> NoReturn:
        """Raise an error about the value.

        Raises:
            AnnotationError: always.
        """
        raise AnnotationError(f"{self.place}: {found}")

    def get(self, key: str) -> "Value | None":
        """Return a value of an object; ``None`` if it is missing or null."""
        if not isinstance(self.value, dict):
            self.refuse(f"is {self._shown}; expected an object")
        found = self.value.get(key)
        return None if found is None else Value(found, f"{self.place}, {key}")

    def __getitem__(self, key: str) -> "Value":
        found = self.get(key)
        if found is None:
            self.refuse(f"{key!r} is missing")
        return found

    def __iter__(self) -> "Iterator[Value]":
        if not isinstance(self.value, list):
            self.refuse(f"is {self._shown}; expected a list")
        for number, item in enumerate(self.value):
            yield Value(item, f"{self.place}[{number}]")

    def items(self) -> "Iterator[tuple[str, Value]]":
        """Yield the keys and values of an object."""
        if not isinstance(self.value, dict):
            self.refuse(f"is {self._shown}; expected an object")
        for key in self.value:
            yield key, self[key]

    @property
    def text(self) -> str:
        """The value, which must be text."""
        if not isinstance(self.value, str):
            self.refuse(f"is {self._shown}; expected text")
        return self.value

    @property
    def whole(self) -> int:
        """The value, which must be a whole number."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            self.refuse(f"is {self._shown}; expected a whole number")
        return int(value)

    @property
    def points(self) -> NDArray[np.float64]:
        """Numbers in pairs, nested or not, as (x, y) of shape (N, 2)."""
        flat = self.value
        if isinstance(flat, list) and flat and isinstance(flat[0], list):
            if any(not isinstance(pair, list) or len(pair) != 2 for pair in flat):
                self.refuse("contains something other than pairs of numbers")
            flat = [number for pair in flat for number in pair]
        if not isinstance(flat, list):
            self.refuse(f"is {self._shown}; expected a list of numbers")
        return points_of(flat, self.place)

    @property
    def _shown(self) -> str:
        if isinstance(self.value, dict | list):
            return "an object" if isinstance(self.value, dict) else "a list"
        return f"{self.value!r:.40}"


def read_json(path: Path) -> Value:
    """Read a JSON file.

    Raises:
        AnnotationError: it cannot be read, or is not valid JSON.
    """
    try:
        return Value(json.loads(path.read_bytes(), parse_constant=_no_number), str(path))
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror or error})") from error
    except RecursionError as error:
        raise AnnotationError(f"{path}: is nested too deeply for an annotation file") from error
    except ValueError as error:  # damaged JSON, another encoding, numbers of endless digits
        raise AnnotationError(f"{path}: is not valid JSON ({error})") from error


def points_of(numbers: list[Any], place: str) -> NDArray[np.float64]:
    """Return numbers as points (x, y) of shape (N, 2).

    Raises:
        AnnotationError: their count is odd, or one is not finite or far outside any image.
    """
    if len(numbers) % 2:
        raise AnnotationError(f"{place}: has {len(numbers)} numbers, which are not (x, y) pairs")
    for value in numbers:
        number(value, place)
    return np.array(numbers, np.float64).reshape(-1, 2)


def number(value: Any, place: str) -> float:
    """Return a coordinate from text or a number.

    Raises:
        AnnotationError: it is not finite, or far outside any image.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= _FARTHEST:
        raise AnnotationError(f"{place}: {str(value)[:20]!r} is not a valid coordinate")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
