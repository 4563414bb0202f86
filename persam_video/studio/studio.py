"""Open sessions, browsable folders and running jobs."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from persam_video.config import Settings
from persam_video.errors import ConfigError, PersamVideoError, SourceError
from persam_video.masks import MaskFile
from persam_video.studio.frames import FrameReader
from persam_video.studio.jobs import Job
from persam_video.studio.model import SharedModel, TurnLock
from persam_video.studio.opening import find, holds_session
from persam_video.studio.pictures import THUMB_HEIGHT, jpeg, scaled
from persam_video.studio.security import contained
from persam_video.studio.session import InteractiveSession
from persam_video.util.atomic import atomic_path, output_error
from persam_video.video.image_decoder import find_images, is_image
from persam_video.video.source import SourceKind, locate

UPLOAD_LIMIT = 4 * 2**30
"""Size limit of uploads in bytes."""

VIDEO_SUFFIXES = frozenset(
    {
        *(".3gp", ".apng", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
        *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".webm", ".wmv"),
    }
)

_HEAD = 4096
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"<SmoothStreamingMedia", b"IN IP4", b"<playlist")

_THUMB_CACHE = 16 * 2**20
_MOST_THUMBS = 2000


class BusyError(PersamVideoError):
    """The request has to wait for a running job."""


class NotFoundError(PersamVideoError):
    """There is no such session, file or object."""


@dataclass
class OpenSession:
    """A session with what its page needs.

    Attributes:
        id: derived from the folder, so that it is the same after a restart of the server.
        session: the session.
        job: the last job.
    """

    id: str
    session: InteractiveSession
    job: Job | None = None

    def __post_init__(self) -> None:
        self._thumbs: dict[int, bytes] = {}
        # separate from the frames, so that filling the timeline does not delay scrubbing
        self._thumb_reader: FrameReader | None = None
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self.job is not None and self.job.active

    def check_idle(self) -> None:
        """Refuse an action that is not possible while a job is running.

        Raises:
            BusyError: a job is running.
        """
        if self.busy:
            raise BusyError("a job is running: wait for it, or cancel it first")

    def thumb(self, index: int) -> bytes:
        """Return the JPEG of a small picture of a frame.

        Raises:
            SourceError: there is no such frame.
        """
        known = self._thumbs.get(index)
        if known is not None:
            return known
        with self._lock:
            if self._thumb_reader is None:
                self._thumb_reader = FrameReader(self.session.source, cache_bytes=_THUMB_CACHE)
            frame = self._thumb_reader.get(index)
        picture = jpeg(scaled(frame.rgb, height=THUMB_HEIGHT), quality=75)
        while len(self._thumbs) >= _MOST_THUMBS:
            self._thumbs.pop(next(iter(self._thumbs)))
        self._thumbs[index] = picture
        return picture

    def close(self) -> None:
        """End the job and close the session."""
        if self.job is not None and self.job.active:
            self.job.cancel()
            self.job.wait(30)
        if self._thumb_reader is not None:
            self._thumb_reader.close()
        self.session.close()


@dataclass(frozen=True)
class Entry:
    """A file or folder that can be opened.

    Attributes:
        name: of the file.
        path: from the root, with ``/`` between parts.
        kind: ``folder``, ``video``, ``images`` or ``session``.
        size: in bytes; ``None`` for folders.
    """

    name: str
    path: str
    kind: str
    size: int | None


class Studio:
    """State of a server.

    Args:
        folder: folder for sessions and uploads.
        settings: settings for new sessions.
        root: folder whose files may be opened; ``None`` for uploads only.
        upload_limit: size limit of uploads in bytes.
        model: a loaded model; by default it is loaded when first needed.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        root: Path | None = None,
        upload_limit: int = UPLOAD_LIMIT,
        model: SharedModel | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.root = root
        self.upload_limit = upload_limit
        self.named: str | None = None
        self._model = model or SharedModel(settings)
        self._turn = TurnLock()
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._sessions: dict[str, OpenSession] = {}

    @property
    def sessions(self) -> Sequence[OpenSession]:
        """Open sessions, in the order of opening."""
        return list(self._sessions.values())

    def get(self, session_id: str) -> OpenSession:
        """Return an open session.

        Raises:
            NotFoundError: no open session has this id.
        """
        found = self._sessions.get(session_id)
        if found is None:
            raise NotFoundError("this session is not open: open its video or folder again")
        return found

    def open(self, source: str | Path | None, folder: Path) -> OpenSession:
        """Open a session, or return the one that is open in the folder.

        Args:
            source: source of a new session; ``None`` for the session in the folder.
            folder: folder of the session.

        Raises:
            PersamVideoError: see ``InteractiveSession``.
        """
        session_id = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
        with self._lock:
            if session_id not in self._sessions:
                session = InteractiveSession(
                    source, folder, settings=self.settings, model=self._model_for(folder)
                )
                self._sessions[session_id] = OpenSession(session_id, session)
            return self._sessions[session_id]

    def open_named(
        self, source: str | Path | None, folder: Path, masks: Mapping[int | None, MaskFile]
    ) -> None:
        """Open the session that the page shows first.

        Args:
            source: see ``open``.
            folder: of the session.
            masks: files that a new session begins with; see ``parse_masks``.

        Raises:
            ConfigError: there are annotations, and the session is marked already.
            PersamVideoError: see ``open`` and ``InteractiveSession.annotate``.
        """
        opened = self.open(source, folder)
        self.named = opened.id
        if not masks:
            return
        if opened.session.annotated:
            raise ConfigError(f"{folder} holds a session that is marked: leave out --mask")
        opened.session.annotate(masks)

    def open_path(self, relative: str) -> OpenSession:
        """Open a video, a folder of images or a session below the root.

        Raises:
            NotFoundError: there is no such path below the root.
            PersamVideoError: it cannot be opened.
        """
        path = self._below_root(relative)
        if holds_session(path):
            source = find(path).source
            if source is not None:
                self._check_source(source)
            return self.open(None, path)
        self._check_source(str(path))
        return self.open(path, self._folder_for(path))

    def files(self, relative: str) -> list[Entry]:
        """List what can be opened in a folder below the root: folders first, then by name.

        Raises:
            NotFoundError: there is no such folder below the root.
        """
        folder = self._below_root(relative)
        if self.root is None or not folder.is_dir():
            raise NotFoundError(f"{relative}: is not a folder below the root")
        top = self.root.resolve()
        entries = []
        for path in sorted(folder.iterdir(), key=lambda p: p.name.casefold()):
            within = contained(top, path.relative_to(top).as_posix())
            if path.name.startswith(".") or within is None:
                continue
            kind = _kind(within)
            if kind is not None:
                size = within.stat().st_size if within.is_file() else None
                entries.append(Entry(path.name, path.relative_to(top).as_posix(), kind, size))
        return sorted(entries, key=lambda entry: entry.kind != "folder")

    def take_upload(self, name: str, file: BinaryIO) -> OpenSession:
        """Store an uploaded video and open it.

        Args:
            name: its file name on the user's machine, of which letters and digits are kept.
            file: its bytes.

        Raises:
            SourceError: it is not a video.
            OutputError: it cannot be written.
        """
        plain = _plain_name(name)
        if Path(plain).suffix.lower() not in VIDEO_SUFFIXES:
            raise SourceError(f"{plain} is not named like a video: upload a video file")
        folder = self.folder / "uploads"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = _free(folder / plain)
            with atomic_path(path) as sibling, sibling.open("wb") as out:
                shutil.copyfileobj(file, out, 2**20)
        except OSError as error:
            raise output_error(folder, error) from error
        try:
            check_no_playlist(path)
            return self.open(path, self._folder_for(path))
        except PersamVideoError:
            path.unlink(missing_ok=True)
            raise

    def start_job(
        self,
        opened: OpenSession,
        kind: str,
        work: Callable[[Job], str],
        *,
        needs_model: bool,
        total: int = 0,
    ) -> None:
        """Start a job of a session; jobs that need the model wait for their turn.

        Args:
            opened: the session.
            kind: ``track`` or ``export``.
            work: see ``Job``.
            needs_model: whether the job needs the model.
            total: total number of frames, if known.

        Raises:
            BusyError: a job of the session is running.
        """
        turn = self._turn if needs_model else None
        with self._starting:
            opened.check_idle()
            job = Job(kind, work, turn, lambda: opened.session.tell("state"))
            job.report.total = total
            opened.job = job
        job.start()

    def track(self, opened: OpenSession, passes: Sequence[dict[str, Any]]) -> None:
        """Start to track; see ``InteractiveSession.propagate``.

        Raises:
            BusyError: a job is running.
            AnnotationError: there is nothing to track.
        """
        opened.check_idle()
        session = opened.session
        planned = [session.propagate(**request) for request in passes]
        total = sum(propagation.total for propagation in planned)

        def work(job: Job) -> str:
            done = 0
            try:
                for propagation in planned:
                    for result in propagation:
                        done += 1
                        job.report.frame = result.index
                        job.step(done, max(total, done))
            finally:
                for propagation in planned:
                    propagation.close()
            return f"{done} frames tracked"

        self.start_job(opened, "track", work, needs_model=True, total=total)

    def warm_up(self) -> None:
        """Load the model in the background, so that the first click need not wait for it."""
        self._model.warm_up()

    def close(self) -> None:
        """End all jobs and close all sessions."""
        with self._lock:
            for opened in self._sessions.values():
                opened.close()
            self._sessions.clear()

    def _model_for(self, folder: Path) -> SharedModel | None:
        """Return the shared model, or ``None`` for a session whose settings name another one."""
        settings = find(folder).settings
        if settings is None:
            return self._model
        same = settings.get("model") == self.settings.model_dump(mode="json").get("model")
        return self._model if same else None

    def _below_root(self, relative: str) -> Path:
        path = None if self.root is None else contained(self.root, relative or ".")
        if path is None or not path.exists():
            raise NotFoundError(f"{relative}: there is no such file below the root")
        return path

    def _check_source(self, source: str) -> None:
        """Refuse a source that is neither below the root nor an upload.

        Raises:
            NotFoundError: it, or an image in it, lies elsewhere.
            SourceError: it is a playlist, which may refer to any file.
        """
        self._check_within(Path(source))  # first, so that paths elsewhere are not even looked up
        location = locate(source)
        if location.kind in (SourceKind.FOLDER, SourceKind.GLOB):
            for path in find_images(location):
                self._check_within(path)
        if location.kind is SourceKind.FILE:
            check_no_playlist(Path(source))

    def _check_within(self, path: Path) -> None:
        allowed = [self.folder.resolve(), *([self.root.resolve()] if self.root else [])]
        if not any(path.resolve().is_relative_to(top) for top in allowed):
            raise NotFoundError(f"{path.name} leads out of the root and is not opened")

    def _folder_for(self, source: Path) -> Path:
        """Return the folder of a source's session, existing or new."""
        for number in range(1, 1000):
            suffix = "" if number == 1 else f"-{number}"
            folder = self.folder / f"{source.stem or 'video'}{suffix}"
            if not folder.exists() or find(folder).source == str(source):
                return folder
        raise SourceError(f"there are too many sessions of {source.name} in {self.folder}")


def check_no_playlist(path: Path) -> None:
    """Refuse a file that refers to other files, which FFmpeg would read wherever they are.

    Raises:
        SourceError: it is a playlist, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise SourceError(f"{path.name}: cannot be read ({error.strerror})") from error
    if any(mark in head for mark in _PLAYLISTS):
        raise SourceError(f"{path.name} is a playlist: give the video itself")


def _kind(path: Path) -> str | None:
    """Return what a path can be opened as, or ``None``."""
    if path.is_file():
        return "video" if path.suffix.lower() in VIDEO_SUFFIXES else None
    if not path.is_dir():
        return None
    try:
        if holds_session(path):
            return "session"
        return "images" if any(is_image(file) for file in path.iterdir()) else "folder"
    except OSError:
        return None


def _plain_name(name: str) -> str:
    """Return a safe file name: no folders, no leading dot, no special characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c.isalnum() or c in "._- " else "_" for c in last).strip(". ")
    return kept[-120:] or "video"


def _free(path: Path) -> Path:
    number = 2
    free = path
    while free.exists():
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return free
