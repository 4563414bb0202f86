"""The order in which videos of different sizes are handed out."""

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

_ItemT = TypeVar("_ItemT")

_SMALL_EVERY = 4
"""Of so many videos one is from the small end, so that long ones do not keep all workers."""


def hand_out_order(items: Sequence[_ItemT], sizes: Sequence[float]) -> list[_ItemT]:
    """Sort largest first, but every fourth smallest first.

    Largest first, the last workers end at about the same time. The short videos in between give
    results early, where otherwise all would wait until the long ones are done.

    Args:
        items: in any order, which is kept among those of one size.
        sizes: of each, in any unit.
    """
    by_size = sorted(range(len(items)), key=lambda i: -sizes[i])
    left = deque(items[i] for i in by_size)
    ordered: list[_ItemT] = []
    while left:
        small = len(ordered) % _SMALL_EVERY == _SMALL_EVERY - 1
        ordered.append(left.pop() if small else left.popleft())
    return ordered
