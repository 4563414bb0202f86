"""Values of files that nobody vouches for, with the place where they stand."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import AnnotationError

_FARTHEST = 1e6  # pixels; no picture is that large


@dataclass(frozen=True)
class Value:
    """A value of a JSON document.

    Attributes:
        value: as ``json`` gives it.
        place: the file and the keys that lead to the value, for messages.
    """

    value: Any
    place: str

    def refuse(self, found: str) -> NoReturn:
        """Raise what is wrong with the value."""
        raise AnnotationError(f"{self.place}: {found}")

    def get(self, key: str) -> "Value | None":
        """Return what an object has under a key; ``None`` where it has nothing, or null."""
        if not isinstance(self.value, dict):
            self.refuse(f"is {self._shown} where an object is expected")
        found = self.value.get(key)
        return None if found is None else Value(found, f"{self.place}, {key}")

    def __getitem__(self, key: str) -> "Value":
        found = self.get(key)
        if found is None:
            self.refuse(f"has no {key!r}")
        return found

    def __iter__(self) -> "Iterator[Value]":
        if not isinstance(self.value, list):
            self.refuse(f"is {self._shown} where a list is expected")
        for number, item in enumerate(self.value):
            yield Value(item, f"{self.place}[{number}]")

    def items(self) -> "Iterator[tuple[str, Value]]":
        """Give what an object has, by key."""
        if not isinstance(self.value, dict):
            self.refuse(f"is {self._shown} where an object is expected")
        for key in self.value:
            yield key, self[key]

    @property
    def text(self) -> str:
        """The value, which has to be text."""
        if not isinstance(self.value, str):
            self.refuse(f"is {self._shown} where text is expected")
        return self.value

    @property
    def whole(self) -> int:
        """The value, which has to be a whole number."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            self.refuse(f"is {self._shown} where a whole number is expected")
        return int(value)

    @property
    def points(self) -> NDArray[np.float64]:
        """Numbers in pairs, nested or not, as (x, y) of shape (N, 2)."""
        flat = self.value
        if isinstance(flat, list) and flat and isinstance(flat[0], list):
            if any(not isinstance(pair, list) or len(pair) != 2 for pair in flat):
                self.refuse("holds what is no pair of numbers")
            flat = [number for pair in flat for number in pair]
        if not isinstance(flat, list):
            self.refuse(f"is {self._shown} where a list of numbers is expected")
        return points_of(flat, self.place)

    @property
    def _shown(self) -> str:
        if isinstance(self.value, dict | list):
            return "an object" if isinstance(self.value, dict) else "a list"
        return f"{self.value!r:.40}"


def read_json(path: Path) -> Value:
    """Read a JSON file.

    Raises:
        AnnotationError: it cannot be read, or is not JSON.
    """
    try:
        return Value(json.loads(path.read_bytes(), parse_constant=_no_number), str(path))
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror or error})") from error
    except RecursionError as error:
        raise AnnotationError(f"{path}: is nested too deep to be an annotation") from error
    except ValueError as error:  # damaged JSON, another encoding, numbers of endless digits
        raise AnnotationError(f"{path}: is not JSON that can be read ({error})") from error


def points_of(numbers: list[Any], place: str) -> NDArray[np.float64]:
    """Return numbers as points (x, y) of shape (N, 2).

    Raises:
        AnnotationError: there is an odd number of them, or one is not finite or far outside of any
            picture.
    """
    if len(numbers) % 2:
        raise AnnotationError(f"{place}: has {len(numbers)} numbers, which are no pairs of x and y")
    for value in numbers:
        number(value, place)
    return np.array(numbers, np.float64).reshape(-1, 2)


def number(value: Any, place: str) -> float:
    """Return a coordinate, given as text or as a number.

    Raises:
        AnnotationError: it is not finite, or far outside of any picture.
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= _FARTHEST:
        raise AnnotationError(f"{place}: {str(value)[:20]!r} is not a coordinate in a picture")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
