"""Open a folder that holds a session, a run of ``track``, or nothing."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from persam_video.config import Settings, load_settings
from persam_video.errors import DatasetError, OutputError, SourceError
from persam_video.run.outputs import OutputPaths
from persam_video.sinks import RunRecord
from persam_video.studio.frames import FrameReader
from persam_video.studio.store import SessionDocument, SessionPaths
from persam_video.util.inputs import OutputFolder
from persam_video.video.inputs import source_inputs
from persam_video.video.source import SourceKind, locate


@dataclass(frozen=True)
class Found:
    """Contents of a folder.


    Attributes:
        paths: paths of the folder.
        document: the session's document; ``None`` without a session.
        run: run of ``track`` or of the session; ``None`` without a run.
    """

    paths: SessionPaths
    document: SessionDocument | None
    run: RunRecord | None

    @property
    def source(self) -> str | None:
        """Path or glob of the video that was marked or tracked; ``None`` if unknown."""
        if self.document is not None:
            return self.document.source
        path = None if self.run is None else self.run.source.get("path")
        return None if path is None else str(path)

    @property
    def settings(self) -> Mapping[str, Any] | None:
        """Settings of the session or the run; ``None`` without either."""
        if self.document is not None:
            return self.document.settings
        return None if self.run is None else self.run.settings

    def address(self, source: str | Path | None) -> str:
        """Return the path or glob to read frames from.

        Args:
            source: the requested source, which may be a new location of the one that was marked or
                tracked; ``None`` for its old location.

        Raises:
            DatasetError: the folder does not tell a source.
            OutputError: the folder holds something else.
            SourceError: the source cannot be read.
        """
        folder = self.paths.folder
        if source is None:
            if self.document is None and self.run is None:
                raise DatasetError(
                    f"{folder} holds neither a session nor a run: give a video as well"
                )
            if self.source is None:
                raise SourceError(f"{folder} does not say what was tracked: give the video as well")
            if not _is_there(self.source):
                raise SourceError(
                    f"{self.source} is no longer there: give its new location, and {folder} as "
                    "--out"
                )
            return _address(self.source)
        address = _address(source)
        known = None if self.document is None else self.document.source
        if known is not None and known != address and _is_there(known):
            raise OutputError(
                f"{folder} holds a session of {known}: give another folder with --out"
            )
        if self.document is None and self.run is None and OutputPaths(folder).record.exists():
            raise OutputError(f"{folder} holds an earlier run: give another folder with --out")
        return address

    def check_place(self, address: str) -> None:
        """Check that a session in the folder leaves alone what is not its own.

        Args:
            address: where the frames are read from.

        Raises:
            OutputError: the source, or a file of unknown origin, is where the session writes.
        """
        inputs, run = source_inputs(address), OutputPaths(self.paths.folder)
        run.check(inputs)
        inputs.check(
            [self.paths.session, self.paths.journal],
            [
                OutputFolder(self.paths.annotations, frozenset({".png"})),
                OutputFolder(self.paths.states, recursive=True),
                OutputFolder(self.paths.exports, recursive=True),
            ],
        )
        if self.document is not None or self.run is not None:
            return
        run.check_owned()
        others = [*self.paths.annotations.glob("*.png"), *self.paths.states.glob("*")]
        if self.paths.journal.exists() and self.paths.journal.stat().st_size:
            others.append(self.paths.journal)
        if others:
            raise OutputError(
                f"{min(others)}: is of no session, and would be replaced: choose another folder, "
                "or move it away"
            )

    def session(self, reader: FrameReader, settings: Settings | None) -> SessionDocument:
        """Return the folder's session, or a new one.

        Args:
            reader: reader of the source.
            settings: settings for a new session that does not continue a run.

        Raises:
            DatasetError: the run does not record its source.
            OutputError: the run is of another source.
            SourceError: the source is not the one that was marked or tracked.
        """
        address, info = str(reader.source), reader.info
        if self.document is not None:
            size = self.document.height, self.document.width
            document = replace(self.document, source=address)
        elif self.run is not None:
            size = self._number("height"), self._number("width")
            document = SessionDocument(address, info.width, info.height, self.run.settings)
        else:
            chosen = (settings or load_settings("persam")).model_dump(mode="json")
            return SessionDocument(address, info.width, info.height, chosen)
        if size != (info.height, info.width):
            raise SourceError(
                f"{address} has frames of {info.width}x{info.height}, but those marked or tracked "
                f"were {size[1]}x{size[0]}: it is a different video"
            )
        if self.run is not None and address != self.source:
            first = reader.get(self._number("start")).rgb
            if hashlib.sha256(first.tobytes()).hexdigest() != self.run.source.get("first_frame"):
                raise OutputError(
                    f"{self.paths.folder} holds a run of another video: give another folder with "
                    "--out"
                )
        return document

    def _number(self, key: str) -> int:
        """Return a number that the run records of its source."""
        value = None if self.run is None else self.run.source.get(key)
        if not isinstance(value, int):
            record = OutputPaths(self.paths.folder).record
            raise DatasetError(f"{record} does not record the source's {key}: track again")
        return value


def find(folder: str | Path) -> Found:
    """Find out what a folder holds.

    Raises:
        DatasetError: it holds a session that cannot be read.
    """
    paths = SessionPaths(Path(folder))
    document = SessionDocument.read(paths.session) if paths.is_session else None
    return Found(paths, document, OutputPaths(paths.folder).earlier_run)


def holds_session(folder: str | Path) -> bool:
    """Whether a folder holds a session, or a run that can be opened as one."""
    paths = SessionPaths(Path(folder))
    return paths.is_session or OutputPaths(paths.folder).earlier_run is not None


def checked_settings(values: Mapping[str, Any], folder: Path) -> Settings:
    """Return the settings of a session.

    Raises:
        ConfigError: the procedure takes no corrections.
        DatasetError: they are settings of another version.
    """
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DatasetError(
            f"{folder}: has settings of another version ({where}: {first['msg']}); track again"
        ) from error
    settings.require_tracker("takes no corrections: track without it, or choose another preset")
    return settings


def _is_there(source: str) -> bool:
    try:
        locate(source)
    except SourceError:
        return False
    return True


def _address(source: str | Path) -> str:
    """Return a source as a path that does not depend on the working directory.

    Raises:
        SourceError: it is not a source, or is a camera or URL, which has no random access.
    """
    location = locate(source)
    if location.kind in (SourceKind.CAMERA, SourceKind.URL):
        raise SourceError(
            f"{location.name} has no random access to frames: give a video file or a folder"
        )
    if location.path is not None:
        return str(location.path.resolve())
    return os.path.abspath(location.address)  # noqa: PTH100  a glob is not a path to resolve
