"""Values of the program in the types of JSON."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np


def plain(value: Any, no_number: Callable[[float], str | None] = str) -> Any:
    """Return a value in the types of JSON; what they have no place for becomes text.

    Data classes become objects with a key for each field.

    Args:
        value: what to turn.
        no_number: what infinity and NaN become, as JSON has no such numbers.
    """
    if isinstance(value, Enum):
        value = value.value
    elif isinstance(value, np.generic):
        value = value.item()
    if is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each, no_number) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each, no_number) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return no_number(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
