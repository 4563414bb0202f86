"""Python's collection of garbage in cycles of objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Do not look for garbage in a block that makes a great many objects and needs them all."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextmanager
def lasting_objects() -> Iterator[None]:
    """Never look for garbage among the objects that exist when the block ends.

    For a program's imports: torch makes hundreds of thousands of objects that stay. Going through
    them while they are made takes a twentieth of the time to a first mask, and again at the end.
    Garbage in cycles that is among them is not freed; a library must not decide that for others.
    """
    with uncollected():
        try:
            yield
        finally:
            gc.freeze()
