"""Comparing the names of files and objects.

One name can be written in several ways: macOS, and archives made there, have é as two characters
(Unicode's form NFD), nearly everything else as one (NFC).
"""

from pathlib import Path
from unicodedata import normalize


def plain_name(name: str) -> str:
    """Return a name in the form in which names are compared, NFC."""
    return normalize("NFC", name)


def folded_name(name: str) -> str:
    """Return what two names have in common that some file systems take for the same file."""
    return plain_name(plain_name(name).casefold())


def why_missing(path: Path) -> str:
    """Return what to say of a path that does not exist: how a file of that name is written."""
    try:
        siblings = [other.name for other in path.parent.iterdir()]
    except OSError:
        siblings = []
    for name in siblings:
        if plain_name(name) == plain_name(path.name):
            return f"; {name!a} is there, which is another way to write that name"
    return ""
