"""Protecting the inputs of a command from its outputs."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from persam_video.errors import OutputError
from persam_video.util.atomic import unfinished


@dataclass(frozen=True)
class OutputFolder:
    """A folder in which a command writes or removes files whose names are not known beforehand.

    Attributes:
        folder: the folder.
        suffixes: suffixes of those files, in lower case with the dot; ``None`` for any.
        recursive: whether folders within it are written to or removed, too.
    """

    folder: Path
    suffixes: frozenset[str] | None = None
    recursive: bool = False


@dataclass(frozen=True)
class ProtectedInputs:
    """The inputs of a command, which must stay unchanged even with ``--overwrite``.

    Files are the same when the system says so: through links, hard links, relative paths and, where
    file names have no case, other spellings.

    Attributes:
        files: files that are read.
        folders: folders from which files are read, with the suffixes of these files. A file that is
            added to such a folder would be read the next time.
        patterns: glob patterns that name such files.
        trees: folders in which every existing file is protected, at any depth, and in which no
            folder of outputs may be.
    """

    files: tuple[Path, ...] = ()
    folders: Mapping[Path, Collection[str]] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    trees: tuple[Path, ...] = ()

    def __or__(self, other: "ProtectedInputs") -> "ProtectedInputs":
        both = {
            folder: {*self.folders.get(folder, ()), *other.folders.get(folder, ())}
            for folder in {**self.folders, **other.folders}
        }
        return ProtectedInputs(
            self.files + other.files,
            both,
            self.patterns + other.patterns,
            self.trees + other.trees,
        )

    def check(self, outputs: Iterable[Path], folders: Iterable[OutputFolder] = ()) -> None:
        """Check that outputs leave the inputs unchanged.

        Args:
            outputs: files that may be written or removed, whether they exist or not.
            folders: folders in which other files may be.

        Raises:
            OutputError: one of them is an input, or would become one in the next run.
        """
        known = {identity for file in self.files if (identity := _identity(file))}
        homes = self._homes()
        roots = {identity for tree in self.trees if (identity := _identity(tree))}
        for output in outputs:
            for path in (output, unfinished(output)):
                if _identity(path) in known:
                    raise _refused(path)
            self._check_home(output, homes)
            if _identity(output) and roots & _ancestors(output):
                raise _refused(output)
        for place in folders:
            if roots & {_identity(place.folder), *_ancestors(place.folder)}:
                raise OutputError(
                    f"{place.folder}: is inside of a folder that is read; "
                    "choose another place for the output"
                )
            self._check_folder(place, homes)

    def _homes(self) -> dict["_Identity", frozenset[str]]:
        """The suffixes of the files that are read from each folder."""
        homes: dict[_Identity, frozenset[str]] = {}
        for folder, suffixes in self.folders.items():
            if identity := _identity(folder):
                homes[identity] = homes.get(identity, frozenset()) | frozenset(suffixes)
        return homes

    def _check_home(self, output: Path, homes: Mapping["_Identity", frozenset[str]]) -> None:
        """Reject a file that the next run would read."""
        suffixes = homes.get(_identity(output.parent) or _NOWHERE, frozenset())
        if output.suffix.lower() in suffixes:
            raise OutputError(
                f"{output}: would be taken for an image of the folder that is read; "
                "choose another place for the output"
            )
        for pattern in self.patterns:
            if _matches(_parts(output), _parts(pattern)):
                raise OutputError(
                    f"{output}: would match the input pattern {pattern}; "
                    "choose another place for the output"
                )

    def _check_folder(
        self,
        place: OutputFolder,
        homes: Mapping["_Identity", frozenset[str]],
    ) -> None:
        """Reject a folder that holds inputs which may be written to or removed."""
        suffixes = place.suffixes
        for suffix in suffixes or ():  # also where the folder is not there yet
            self._check_home(place.folder / f"00000{suffix}", homes)
        here = _identity(place.folder)
        if here is None:
            return
        if suffixes is None and here in homes:
            raise _refused(place.folder)
        for file in self.files:
            if suffixes is not None and file.suffix.lower() not in suffixes:
                continue
            nearest = {_identity(file.parent), _identity(file.resolve().parent)}
            if here in (_ancestors(file) if place.recursive else nearest):
                raise OutputError(f"{file}: is an input; choose another place for the output")
        if place.recursive:
            for folder in self.folders:
                if here in {_identity(folder), *_ancestors(folder)}:
                    raise OutputError(f"{folder}: is an input; choose another place for the output")
        else:
            known = {identity for file in self.files if (identity := _identity(file))}
            for entry in place.folder.iterdir():
                if (suffixes is None or entry.suffix.lower() in suffixes) and (
                    _identity(entry) in known
                ):
                    raise _refused(entry)


def same_place(one: Path, other: Path) -> bool:
    """Return whether two paths name the same file, which need not exist."""
    found = _identity(one)
    if found is not None:
        return found == _identity(other)
    return os.path.realpath(one) == os.path.realpath(other)  # also of links in a circle


_Identity = tuple[int, int]
_NOWHERE: _Identity = (-1, -1)


def _identity(path: Path) -> _Identity | None:
    """Return the identity of a file or folder, or ``None`` if it does not exist."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _ancestors(path: Path) -> set[_Identity | None]:
    """The folders that contain a path, as written and as resolved."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        resolved = path.absolute()
    above = {*path.absolute().parents, *resolved.parents}
    return {identity for folder in above if (identity := _identity(folder))}


def _refused(path: Path) -> OutputError:
    return OutputError(f"{path}: is an input; choose another place for the output")


def _parts(path: Path | str) -> Sequence[str]:
    return Path(os.path.normpath(Path(path).absolute())).parts


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a glob with ``**`` for any number of folders matches a path, by parts."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_matches(names[skipped:], pattern[1:]) for skipped in range(len(names) + 1))
    return bool(names) and fnmatch(names[0], pattern[0]) and _matches(names[1:], pattern[1:])
