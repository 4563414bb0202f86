"""Converting values to JSON types."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np


def to_json(value: Any, no_number: Callable[[float], str | None] = str) -> Any:
    """Return a value in JSON types; everything else becomes text.

    Data classes become objects with a key for each field.

    Args:
        value: the value to convert.
        no_number: replacement for infinity and NaN, which JSON lacks.
    """
    if isinstance(value, Enum):
        value = value.value
    elif isinstance(value, np.generic):
        value = value.item()
    if is_dataclass(value) and not isinstance(value, type):
        value = {entry.name: getattr(value, entry.name) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item, no_number) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item, no_number) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return no_number(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
