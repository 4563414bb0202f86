"""Suggesting the known name that an unknown one was probably meant to be."""

from collections.abc import Collection
from difflib import get_close_matches


def did_you_mean(name: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or all.

    Args:
        name: the unknown name.
        known: the known names.
        cutoff: minimum similarity, 0 to 1, as for ``difflib.get_close_matches``.

    Examples:
        >>> did_you_mean("maks", ["mask", "boxes"])
        "did you mean 'mask'?"
        >>> did_you_mean("colour", ["mask", "boxes"])
        'known are mask, boxes'
    """
    close = nearest(name, known, cutoff)
    return f"did you mean '{close}'?" if close else f"known are {', '.join(known)}"


def nearest(name: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    """Return the known name most like an unknown one, or ``None`` if none is similar enough."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=cutoff)), None)
