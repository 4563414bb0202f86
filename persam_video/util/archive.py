"""Unpacking untrusted archives of datasets and annotations."""

import shutil
import stat
import struct
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from persam_video.errors import DatasetError, OutputError
from persam_video.util.atomic import atomic_path, output_error

_CHUNK = 1 << 20
_MOST_ENTRIES = 1_000_000
_MOST_GROWTH = 20
"""How much larger than its archive a dataset may be; JPEG and PNG hardly shrink in one."""
_SMALL = 1 << 24
"""Bytes that any archive may hold."""

# What zipfile raises on damaged archives.
_DAMAGED = (BadZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError)
_ENCRYPTED = 0x1
_HIDDEN = ("__MACOSX", ".DS_Store")


def extract(
    archive: Path,
    target: Path,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    most_growth: int = _MOST_GROWTH,
) -> int:
    """Unpack a ZIP archive into a folder, without the top folder that holds everything.

    The whole list of contents is checked before the first file is written. Nothing is written
    outside of ``target``, neither by the names in the archive nor through links that lie in the
    folder, and no links, devices or encrypted files are created. Each file appears only if its
    CRC-32 is right. Existing files are kept if they are the same and replaced otherwise,
    so that calling again continues an interrupted call.

    Args:
        archive: the ZIP file.
        target: the folder, which is created.
        on_progress: called with the unpacked bytes and the total bytes.
        most_growth: how many times larger than the archive its contents may be, beyond 16 MiB.

    Returns:
        The number of files in the archive.

    Raises:
        DatasetError: the archive cannot be read, is damaged, or holds what a dataset does not.
        OutputError: a file cannot be written.
    """
    try:
        with ZipFile(archive) as opened:
            places = _places(opened.infolist(), archive)
            total = sum(entry.file_size for entry in places.values())
            _check_size(total, archive, target, most_growth)
            done = 0
            for place, entry in places.items():
                file = _make_folders(target, place)
                if not _is_there(file, entry):
                    _unpack(opened, entry, file, archive)
                done += entry.file_size
                on_progress(done, total)
            return len(places)
    except OSError as error:
        raise _unreadable(archive, error) from error
    except _DAMAGED as error:
        raise _damaged(archive, error) from error


def _places(entries: list[ZipInfo], archive: Path) -> dict[PurePosixPath, ZipInfo]:
    """Return where each file of an archive belongs, below the folder that holds all of them."""
    if len(entries) > _MOST_ENTRIES:
        raise DatasetError(f"{archive}: holds {len(entries)} entries, more than a dataset has")
    places: dict[PurePosixPath, ZipInfo] = {}
    for entry in entries:
        place = _checked_place(entry, archive)
        if entry.is_dir() or any(part in _HIDDEN for part in place.parts):
            continue
        if place in places:
            raise DatasetError(f"{archive}: holds {entry.filename!r} twice")
        places[place] = entry
    for place in places:
        if any(parent in places for parent in place.parents):
            raise DatasetError(f"{archive}: holds a file and a folder of one name above {place}")
    tops = {place.parts[0] for place in places}
    if len(tops) == 1 and all(len(place.parts) > 1 for place in places):
        top = tops.pop()
        return {place.relative_to(top): entry for place, entry in places.items()}
    return places


def _checked_place(entry: ZipInfo, archive: Path) -> PurePosixPath:
    """Return the path of an entry; reject all but plain files and folders below the target."""
    # zipfile cuts names at a NUL, which would let two names be one
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or any(
        character in '\\:*?"<>|' or ord(character) < 32 for character in name
    ):
        raise DatasetError(f"{archive}: the name {name!r} is not a path inside of the archive")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        raise DatasetError(f"{archive}: {name!r} is a link or a special file; datasets have none")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise DatasetError(f"{archive}: {name!r} is encrypted or packed in an unusual way")
    return PurePosixPath(name)


def _check_size(total: int, archive: Path, target: Path, most_growth: int) -> None:
    """Reject an archive that would not fit, or claims an absurd size."""
    packed = archive.stat().st_size
    if total > max(_SMALL, most_growth * packed):
        raise DatasetError(f"{archive}: {packed} bytes that unpack to {total} are not a dataset")
    existing = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if total > free:
        raise OutputError(f"{target}: needs {total} bytes and there are {free}; free some space")


def _make_folders(target: Path, place: PurePosixPath) -> Path:
    """Create the folders of a file, none of which may be a link, and return its path."""
    folder = target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in place.parts[:-1]:
            folder = folder / part
            if folder.is_symlink():
                raise OutputError(f"{folder}: is a link; choose another place for the dataset")
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    return folder / place.name


def _is_there(file: Path, entry: ZipInfo) -> bool:
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size != entry.file_size:
            return False
        checksum = 0
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                checksum = zlib.crc32(chunk, checksum)
    except OSError:
        return False  # unpacking says what is wrong with it
    return checksum == entry.CRC


def _unpack(opened: ZipFile, entry: ZipInfo, file: Path, archive: Path) -> None:
    """Write one file; zipfile checks its size and CRC."""
    try:
        source = opened.open(entry)
    except OSError as error:
        raise _unreadable(archive, error) from error
    except _DAMAGED as error:
        raise _damaged(archive, error) from error
    with source, atomic_path(file) as sibling:
        sibling.unlink(missing_ok=True)
        with sibling.open("xb") as stream:
            while chunk := _read(source, archive):
                stream.write(chunk)


def _read(source: IO[bytes], archive: Path) -> bytes:
    try:
        return source.read(_CHUNK)
    except OSError as error:
        raise _unreadable(archive, error) from error
    except _DAMAGED as error:
        raise _damaged(archive, error) from error


def _unreadable(archive: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{archive}: cannot be read ({error.strerror or error})")


def _damaged(archive: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{archive}: is not a whole ZIP archive ({error}); remove it and fetch it again"
    )
