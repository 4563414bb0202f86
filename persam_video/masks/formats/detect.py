"""Identifying formats by the content of a file, not by its name."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from persam_video.errors import AnnotationError, DatasetError
from persam_video.masks.formats.annotated import AnnotationFile
from persam_video.masks.formats.coco import is_coco, read_coco
from persam_video.masks.formats.cvat import read_cvat
from persam_video.masks.formats.label_images import read_label_folder
from persam_video.masks.formats.labelme import is_labelme, read_labelme
from persam_video.masks.formats.values import read_json
from persam_video.masks.formats.voc import CLASSES, OBJECTS, read_voc
from persam_video.masks.formats.youtube_vos import is_youtube_vos, read_youtube_vos
from persam_video.util.archive import extract

_MOST_GROWTH = 100  # of text in an archive
_BEGINNINGS = (b"PK\x03\x04", b"<", b"{", b"[")
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_picture(path: Path) -> bool:
    """Return whether a path should be opened as an image: not a folder, archive, XML or JSON."""
    return not is_folder(path) and not _beginning(path).startswith(_BEGINNINGS)


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; ``False`` for invalid paths."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


@contextmanager
def open_annotations(path: Path) -> Iterator[AnnotationFile]:
    """Open an annotation file, archive or folder of another program.

    Its frames can only be read within the block; an unpacked archive is removed afterwards.

    Args:
        path: labelme or COCO JSON, YouTube-VOS JSON or ``meta.json``, CVAT XML 1.1, a folder of
            labelme files, a VOC folder, a folder of label maps, or a ZIP archive of one of these.

    Raises:
        AnnotationError: the format is unknown, or the file is damaged.
    """
    if is_folder(path):
        yield _in_folder(path, path)
    elif _beginning(path).startswith(b"PK"):
        with TemporaryDirectory() as folder:
            try:
                extract(path, Path(folder), most_growth=_MOST_GROWTH)
                yield _in_folder(path, Path(folder))
            except (AnnotationError, DatasetError) as error:
                # the fault is in the archive, not in the place where it was unpacked
                raise AnnotationError(str(error).replace(folder, str(path))) from error
    else:
        yield _in_file(path, path)


def _in_folder(path: Path, folder: Path) -> AnnotationFile:
    """Read a folder, which may be an unpacked archive."""
    if (folder / CLASSES).is_dir() or (folder / OBJECTS).is_dir():
        return read_voc(path, folder)
    if (folder / "meta.json").is_file():
        return _in_file(path, folder / "meta.json")
    files = [*_documents(folder), *_documents(folder / "annotations")]
    if len(files) == 1:
        return _in_file(path, files[0])
    if not files:
        found = read_label_folder(folder)
        if not found.frames:
            raise AnnotationError(
                f"{path}: contains no annotations; expected JSON, XML or PNG files"
            )
        return AnnotationFile(path, found.frames, found.tracked)
    documents = [read_json(file) for file in files if file.suffix == ".json"]
    if len(documents) == len(files) and all(map(is_labelme, documents)):
        return read_labelme(path, documents)
    raise AnnotationError(
        f"{path}: contains {len(files)} annotation files; choose one of "
        f"{', '.join(str(file.relative_to(folder)) for file in files[:4])}"
    )


def _in_file(path: Path, file: Path) -> AnnotationFile:
    """Read a file, which may be inside the archive or folder ``path``."""
    if _beginning(file).startswith(b"<"):
        return read_cvat(path, file)
    document = read_json(file)
    if is_labelme(document):
        return read_labelme(path, [document])
    if is_coco(document):
        return read_coco(path, document)
    if is_youtube_vos(document):
        return read_youtube_vos(path, file, document)
    raise AnnotationError(
        f"{file}: is JSON, but not from labelme, COCO or YouTube-VOS; give one of these, or a mask"
    )


def _documents(folder: Path) -> list[Path]:
    """Return the JSON and XML files of a folder, by name."""
    return sorted(
        path
        for path in folder.glob("*")
        if path.suffix.lower() in (".json", ".xml") and not path.name.startswith(".")
    )


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a file, without byte order mark and white space."""
    try:
        head = b""
        if path.is_file():  # reading a pipe would wait
            with path.open("rb") as file:
                head = file.read(64)
    except (OSError, ValueError):
        return b""  # opening it as an image reports the error
    for mark in _MARKS:
        head = head.removeprefix(mark)
    return head.replace(b"\0", b"").lstrip()
