"""Telling URLs from paths, and restoring those that were taken for a path."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_FOLDED = re.compile(r"([a-z][a-z0-9+.-]+):/(?!/)", re.IGNORECASE)
_WITHOUT_HOST = {"file", "local", "hdfs"}
"""What follows their two slashes is a path, and no bucket."""


def scheme_of(text: str) -> str | None:
    """Return the scheme of a URL in lower case, or ``None`` for other text."""
    match = _URL.match(text)
    return match and match[1].lower()


def url_of(path: Path) -> str:
    """Return the text that a path was made from, where that may have been a URL.

    A path folds the slashes of a URL into one.
    """
    folded = _FOLDED.match(path.as_posix())
    if folded is None:
        return str(path)
    slashes = "///" if folded[1].lower() in _WITHOUT_HOST else "//"
    return f"{folded[1]}:{slashes}{path.as_posix()[folded.end() :]}"


def local_path(text: str) -> str:
    """Return the path that a ``file://`` URL stands for, and everything else as it is."""
    return unquote(urlsplit(text).path) if scheme_of(text) == "file" else text
