"""Importing the public names of a package on first use."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a package whose names live in other modules.

    Importing one module of the package then does not import its other modules: torch takes more
    than a second, and looking up a name in the registry, for example, does not need it.

    Args:
        package: full name of the package.
        homes: the public names, by the full name of the module that defines them.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def attribute(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home_of[name]), name)

    return attribute
