"""What was probably meant by a name that is not known."""

from collections.abc import Collection
from difflib import get_close_matches


def did_you_mean(name: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """Return the end of a message on an unknown name: the nearest known one, else all of them.

    Args:
        name: what was given.
        known: what could have been.
        cutoff: how alike names must be, 0 to 1; see ``difflib.get_close_matches``.

    Example:
        >>> did_you_mean("maks", ["mask", "boxes"])
        "did you mean 'mask'?"
        >>> did_you_mean("colour", ["mask", "boxes"])
        'known are mask, boxes'
    """
    close = get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
