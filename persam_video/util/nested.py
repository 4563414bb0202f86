"""Nested mappings by dotted key."""

from collections.abc import Mapping
from typing import Any


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values that are not mappings, by dotted key.

    Examples:
        >>> flatten({"prior": {"alpha": 0.5}, "method": "persam"})
        {'prior.alpha': 0.5, 'method': 'persam'}
    """
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
