"""Sources and the facts known about them before their frames are read."""

import glob
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from numbers import Integral
from os import PathLike, fspath
from pathlib import Path
from urllib.parse import urlsplit

from persam_video.errors import SourceError
from persam_video.util.arrays import kind_of
from persam_video.util.names import why_missing
from persam_video.util.urls import scheme_of

_URL_SCHEMES = ("http", "https", "rtsp", "rtsps")


class SourceKind(str, Enum):
    """Where frames come from."""

    FILE = "file"
    FOLDER = "folder"
    GLOB = "glob"
    CAMERA = "camera"
    URL = "url"


@dataclass(frozen=True)
class SourceInfo:
    """Facts about a source, known once its first frame is decoded.

    Attributes:
        name: what to call it in messages and reports; never holds the password or query of a URL.
        kind: where the frames come from.
        width: width of every frame in pixels, after rotation.
        height: height of every frame in pixels, after rotation.
        fps: frames per second as an exact fraction: nominal at a constant rate, the average at a
            variable one; ``None`` if unknown.
        variable_frame_rate: whether the header shows that frames are not evenly spaced. A
            container that claims a constant rate and does not keep it goes unnoticed here; the
            times of the frames are true all the same.
        frame_count: number of frames according to the source, before ``start``, ``stop`` and
            ``stride``: its own count, else duration times rate; ``None`` if it states neither.
        duration: length in seconds according to the source, or ``None``.
        has_audio: whether there is an audio stream.
        path: the file or folder, or ``None`` for globs, cameras and URLs.
        live: whether frames arrive in real time and only once: a camera, or a network stream that
            has no end.
        pixel_aspect: displayed width of a pixel divided by its height, after rotation.
    """

    name: str
    kind: SourceKind
    width: int
    height: int
    fps: Fraction | None
    variable_frame_rate: bool = False
    frame_count: int | None = None
    duration: float | None = None
    has_audio: bool = False
    path: Path | None = None
    live: bool = False
    pixel_aspect: Fraction = Fraction(1)


@dataclass(frozen=True)
class Location:
    """A source whose kind is known but which is not open yet.

    Attributes:
        kind: where the frames come from.
        name: what to call it in messages and reports.
        address: what to open: a path, a glob pattern, a URL, or the digits of a camera index.
    """

    kind: SourceKind
    name: str
    address: str

    @property
    def path(self) -> Path | None:
        """The file or folder, or ``None`` for globs, cameras and URLs."""
        local = self.kind in (SourceKind.FILE, SourceKind.FOLDER)
        return Path(self.address) if local else None


def locate(source: str | Path | int) -> Location:
    """Determine the kind of a source.

    A path that exists is always that file or folder, even when its name looks like a camera index
    or holds the special characters of a glob.

    Raises:
        SourceError: there is no such file or folder, the URL's scheme is not supported, or the
            source is neither text, a path nor a whole number.
    """
    if isinstance(source, Integral) and not isinstance(source, bool):
        return _camera(int(source))
    if not isinstance(source, str | PathLike) or isinstance(fspath(source), bytes):
        raise SourceError(
            f"the source is {kind_of(source)}; give the path of a video or folder, a glob, a URL "
            "or a camera index, and frames that are in memory to Tracker.step, one by one"
        )
    text = str(source)
    if not text.strip():
        raise SourceError("the source is empty; give a video, folder, glob, camera index or URL")
    if isinstance(source, str) and (scheme := scheme_of(text)):
        return _url(text, scheme)
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return Location(SourceKind.FOLDER, path.name or text, str(path))
        if path.exists():
            return Location(SourceKind.FILE, path.name, str(path))
    except OSError as error:
        raise SourceError(f"{text}: cannot be opened ({error.strerror})") from error
    if isinstance(source, str) and text.isdecimal():
        return _camera(int(text))
    if glob.has_magic(text):
        return Location(SourceKind.GLOB, text, str(path))
    raise SourceError(f"{text}: no such file or folder; check the path{why_missing(path)}")


def _camera(index: int) -> Location:
    if index < 0:
        raise SourceError(f"camera {index}: give a camera index of 0 or more")
    return Location(SourceKind.CAMERA, f"camera {index}", str(index))


def _url(text: str, scheme: str) -> Location:
    if scheme not in _URL_SCHEMES:
        known = ", ".join(_URL_SCHEMES)
        raise SourceError(f"{scheme}:// is not supported; give a path or a URL with {known}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceError(f"the {scheme} URL cannot be read ({error}); check it") from error
    # User, password and query often are secrets, and the name ends up in reports.
    place = f"{host}:{port}" if port else host
    return Location(SourceKind.URL, f"{scheme}://{place}{parts.path}", text)
