"""The run in a session's folder, kept up to date with the session, as ``track`` would leave it."""

import hashlib
import json
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.png import write_label_png
from persam_video.results import FrameResult
from persam_video.run.annotations import AnnotatedFrames
from persam_video.run.outputs import OutputPaths
from persam_video.sinks import MaskPngSink, RunRecord, RunStatus, ThreadedSink, TracksJsonlSink
from persam_video.sinks.tracks_jsonl import tracks_line
from persam_video.studio.marking import MarkedVideo
from persam_video.util.atomic import atomic_path, output_error, write_bytes
from persam_video.util.run_record import run_json
from persam_video.video import Frame
from persam_video.video.frame import frame_stem

_FRAME = re.compile(rb'\{"frame":(\d+),')


class RunFolder:
    """The run that a session keeps in its folder.

    While frames are tracked forwards it grows by each of them, as a run does. Whatever else changes
    is written at the end of a pass, with an export, or when the session is closed; a session that
    was killed catches up when it is opened again.

    Args:
        session: whose it is.
    """

    def __init__(self, session: MarkedVideo) -> None:
        self._session = session
        self._paths = OutputPaths(session.paths.folder)
        self._writing = threading.RLock()
        self._facts: RunRecord | None = None
        self._sinks: list[ThreadedSink] = []
        self._grown: dict[int, int] = {}  # offset of the written result, by frame
        self._rest = _Lines()

    def save(self) -> None:
        """Bring the run up to date, or start one.

        Raises:
            AnnotationError: there is no mask yet.
            OutputError: it cannot be written.
            ModelError: the model cannot be loaded.
        """
        with self._writing:
            self._write(self._known_facts())

    def catch_up(self) -> None:
        """Bring an existing run up to date, which needs no model.

        Raises:
            OutputError: it cannot be written.
        """
        with self._writing:
            earlier = self._paths.earlier_run
            if earlier is None:
                return
            if self._session.is_run_behind or earlier.status is RunStatus.RUNNING:
                self._write(self._facts or earlier)

    def begin(self, first: int | None) -> None:
        """Record that a pass begins.

        Args:
            first: first frame of a forward pass, whose results are appended to the run; ``None``
                for a backward pass.

        Raises:
            PersamVideoError: see ``save``.
        """
        with self._writing:
            self._write(self._known_facts(), running=True)
            if first is None:
                return
            kept = self._cut(first)
            for sink in (
                MaskPngSink(self._paths.masks),
                TracksJsonlSink(self._paths.tracks, keep=kept),
            ):
                self._sinks.append(ThreadedSink(sink))

    def add(self, frame: Frame, result: FrameResult) -> None:
        """Append a tracked frame to the run; does nothing outside a forward pass.

        Raises:
            OutputError: an earlier frame could not be written.
        """
        line = self._session.journal.line(frame.index)
        if self._sinks and line is not None:
            for sink in self._sinks:
                sink.write(frame, result.named(self._session.names))
            self._grown[frame.index] = line.place.offset

    def keep_state(self, state: Path) -> None:
        """Copy a file with the tracker's state, from which the run can be resumed.

        Raises:
            OutputError: it cannot be written.
        """
        for sink in self._sinks:
            sink.wait()
        with atomic_path(self._paths.state) as sibling:
            shutil.copyfile(state, sibling)

    def end(self) -> None:
        """Record that a pass has ended.

        Raises:
            OutputError: it cannot be written.
        """
        with self._writing:
            sinks, self._sinks = self._sinks, []
            try:
                for sink in sinks:
                    sink.close()
                self.catch_up()
            finally:
                self._rest.close()
                self._grown = {}

    def _known_facts(self) -> RunRecord:
        """Return a record of this process's model, or without marks the earlier one."""
        session = self._session
        if self._facts is not None:
            return self._facts
        annotations = _annotations(session)
        if annotations:
            # imported late: torch takes seconds, and catching up does without
            from persam_video.run.options import TrackOptions
            from persam_video.run.record import begin_record
            from persam_video.run.session import open_session

            options = TrackOptions(mask={**annotations}, settings=session.settings)
            with session.model.turn() as model, open_session(session.source, options, model) as run:
                self._facts = replace(begin_record(run), timings={})
        facts = self._facts or self._paths.earlier_run
        if facts is None:
            raise AnnotationError("nothing is marked yet: click an object first")
        return facts

    def _write(self, facts: RunRecord, *, running: bool = False) -> None:
        session, paths = self._session, self._paths
        moment = session.journal.end
        mark = session.begin_run()
        try:
            annotations = _annotations(session)
            whole = _is_forward_only(session)
            indices = shown_frames(session)
            if whole and annotations:
                # frames before the first mark have no objects in a run
                indices = sorted({*indices, *range(min(annotations))})
            changed = None
            if mark.sha256 and mark.changed is not None:
                lines = session.journal.lines()
                changed = mark.changed | {
                    index
                    for index, line in lines.items()
                    if line.place.offset >= mark.moment
                    and self._grown.get(index) != line.place.offset
                }
            self._write_annotations(annotations, changed)
            self._write_results(indices, changed)
            finished = whole and session.valid == session.frame_count
            self._leave_state(whole=whole and not finished)
            record = replace(
                facts,
                references=AnnotatedFrames(annotations).hashes(),
                names={str(i): name for i, name in session.names.items()},
                status=RunStatus.FINISHED if finished else RunStatus.INTERRUPTED,
                frames_done=len(indices),
            )
            if running:
                record = replace(record, status=RunStatus.RUNNING)
            data = run_json(record)
            digest = hashlib.sha256(data).hexdigest()
            session.announce_run(digest)
            write_bytes(paths.record, data)
            session.end_run(digest, moment)
        except OSError as error:
            raise output_error(paths.folder, error) from error

    def _write_results(self, indices: list[int], changed: set[int] | None) -> None:
        """Write lines and masks, except those of unchanged frames."""
        session, paths = self._session, self._paths
        black = np.zeros((*session.size, 3), np.uint8)
        with _Lines.of(paths.tracks) as old, MaskPngSink(paths.masks) as masks:
            with atomic_path(paths.tracks) as sibling, sibling.open("wb") as file:
                for index in indices:
                    raw = None
                    if changed is not None and index not in changed:
                        raw = old.get(index) or self._rest.get(index)
                    if raw is None:
                        result = session.result(index).named(session.names)
                        line = session.journal.line(index)
                        name = session.frame(index).name if line is None else line.name
                        frame = Frame(index, black, result.time, name=name)
                        masks.write(frame, result)
                        raw = tracks_line(frame, result).encode()
                    file.write(raw)
            wanted = set(indices)
            for lines in (old, self._rest):
                for index in lines.places.keys() - wanted:
                    (paths.masks / f"{lines.stem(index)}.png").unlink(missing_ok=True)

    def _write_annotations(
        self, annotations: Mapping[int, Annotation], changed: set[int] | None
    ) -> None:
        folder = self._session.paths.annotations
        folder.mkdir(parents=True, exist_ok=True)
        files = {index: folder / f"{index:05d}.png" for index in annotations}
        for index, path in files.items():
            if changed is None or index in changed or not path.exists():
                write_label_png(path, annotations[index].labels)
        for path in set(folder.glob("*.png")) - set(files.values()):
            path.unlink()

    def _leave_state(self, *, whole: bool) -> None:
        """Store the tracker's state after the last valid frame, to resume from."""
        usable = self._session.usable_states() if whole else []
        if usable:
            self.keep_state(usable[-1])
        else:
            self._paths.state.unlink(missing_ok=True)

    def _cut(self, first: int) -> int:
        """Remove the lines from a frame on, and return how many remain."""
        with _Lines.of(self._paths.tracks) as lines:
            kept = [index for index in lines.places if index < first]
            rest = [index for index in lines.places if index >= first]
            self._rest = lines.copy(rest)
            if rest:
                with atomic_path(self._paths.tracks) as sibling, sibling.open("wb") as file:
                    file.writelines(lines.get(index) or b"" for index in kept)
        return len(kept)


def shown_frames(session: MarkedVideo) -> list[int]:
    """Return the frames that have masks, marked or tracked, in order."""
    return sorted({*session.journal.frames, *session.annotated})


def _annotations(session: MarkedVideo) -> dict[int, Annotation]:
    found = {index: session.annotation(index) for index in session.annotated}
    return {index: annotation for index, annotation in found.items() if annotation is not None}


def _is_forward_only(session: MarkedVideo) -> bool:
    """Whether the valid frames come from tracking forwards only."""
    annotated = session.annotated
    begin = annotated[0] if annotated else 0
    lines = session.lines()
    tracked = all(i in lines and not lines[i].backward for i in range(begin, session.valid))
    return tracked and not any(i < begin for i in lines)


@dataclass
class _Lines:
    """Lines of tracks by frame, in a file.

    Attributes:
        file: the file; ``None`` if there is none.
        places: offset and length in bytes, by frame, in the order of the file.
    """

    file: IO[bytes] | None = None
    places: dict[int, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> "_Lines":
        """Open a file; a missing one has no lines."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return cls()
        places, offset = {}, 0
        for raw in file:
            match = _FRAME.match(raw)
            if match is not None and raw.endswith(b"\n"):
                places[int(match[1])] = offset, len(raw)
            offset += len(raw)
        return cls(file, places)

    def get(self, index: int) -> bytes | None:
        """Return the line of a frame; ``None`` if it has none."""
        if self.file is None or index not in self.places:
            return None
        offset, length = self.places[index]
        self.file.seek(offset)
        return self.file.read(length)

    def copy(self, indices: list[int]) -> "_Lines":
        """Copy some of the lines into an unnamed temporary file."""
        file, places = tempfile.TemporaryFile(), {}  # noqa: SIM115  ``close`` closes it
        for index in indices:
            raw = self.get(index) or b""
            places[index] = file.tell(), len(raw)
            file.write(raw)
        return _Lines(file, places)

    def stem(self, index: int) -> str:
        """Return the file name of a frame's mask, without suffix."""
        name = json.loads(self.get(index) or b"{}").get("name")
        return frame_stem(index, name)

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
        self.file, self.places = None, {}

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
