"""What a session leaves for others: the folder of a run, and every output of it."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from persam_video.errors import AnnotationError
from persam_video.masks.annotation import Annotation
from persam_video.masks.png import write_label_png
from persam_video.results import FrameResult
from persam_video.run.options import TrackOptions
from persam_video.run.outputs import OutputPaths
from persam_video.run.record import begin_record
from persam_video.run.session import open_session
from persam_video.sinks import MaskPngSink, RunStatus, TracksJsonlSink
from persam_video.sinks.outputs import (
    Output,
    SinkOptions,
    check_options,
    needs_pictures,
    open_sink,
    parse_outputs,
    place_of,
)
from persam_video.studio.marking import MarkedVideo
from persam_video.util.atomic import atomic_path, output_error
from persam_video.util.run_record import write_run
from persam_video.video import Frame, FrameStream

OnFrame = Callable[[int, int], None]


def export_session(
    session: MarkedVideo,
    output: Output | str,
    options: SinkOptions | None,
    on_frame: OnFrame | None,
) -> Path:
    """Write an output of a session; see ``InteractiveSession.export``."""
    (chosen,) = parse_outputs([output])
    options = options or SinkOptions()
    write_run_folder(session)
    place = place_of(chosen, session.paths.exports)
    check_options([chosen], session.paths.exports, options)
    indices = _shown(session)
    try:
        session.paths.exports.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            shutil.rmtree(place)
    except OSError as error:
        raise output_error(place, error) from error
    pairs = _frames(session, indices, pictures=needs_pictures(chosen))
    with open_sink(chosen, place, session.info, options) as sink:
        for done, (frame, result) in enumerate(pairs, start=1):
            sink.write(frame, result)
            if on_frame is not None:
                on_frame(done, len(indices))
    return _zipped(place) if place.is_dir() else place


def write_run_folder(session: MarkedVideo) -> None:
    """Bring the folder up to date; see ``InteractiveSession.save_run``."""
    indices = _shown(session)
    paths = OutputPaths(session.paths.folder)
    annotations = {i: a for i in session.annotated if (a := session.annotation(i)) is not None}
    if not annotations:
        raise AnnotationError("nothing is marked yet: click an object first")
    _write_annotations(session)
    before = range(min(annotations))
    whole = _is_forward_only(session)
    if whole:  # as a run has it: frames before the first mark have no objects
        indices = sorted({*indices, *before})
    dirty = session.dirty
    session.dirty = set()
    try:
        with (
            atomic_path(paths.tracks) as sibling,
            TracksJsonlSink(sibling) as lines,
            MaskPngSink(paths.masks) as masks,
        ):
            stems = set()
            for frame, result in _frames(session, indices, pictures=False):
                lines.write(frame, result)
                stems.add(frame.stem)
                if dirty is None or frame.index in dirty or not _has(paths.masks, frame.stem):
                    masks.write(frame, result)
        for path in paths.masks.glob("*.png"):
            if path.stem not in stems:
                path.unlink()
        finished = whole and session.valid == session.frame_count
        _leave_state(session, paths, whole=whole and not finished)
        _write_record(session, paths, annotations, len(indices), finished=finished)
    except OSError as error:
        raise output_error(paths.folder, error) from error
    except BaseException:
        session.dirty = None
        raise


def _shown(session: MarkedVideo) -> list[int]:
    """Return the frames that have masks, marked or tracked, in order."""
    return sorted({*session.journal.frames, *session.annotated})


def _frames(
    session: MarkedVideo, indices: list[int], *, pictures: bool
) -> Iterator[tuple[Frame, FrameResult]]:
    """Give frames with their results; without ``pictures``, they are black."""
    if pictures:
        wanted = set(indices)
        with FrameStream(
            session.source, start=indices[0] if indices else 0, stop=indices[-1] + 1
        ) as stream:
            yield from ((f, session.result(f.index)) for f in stream if f.index in wanted)
        return
    black = np.zeros((*session.size, 3), np.uint8)
    for index in indices:
        line = session.journal.line(index)
        result = session.result(index)
        name = session.frame(index).name if line is None else line.name
        yield Frame(index, black, result.time, name=name), result


def _is_forward_only(session: MarkedVideo) -> bool:
    """Whether the valid frames are what tracking forwards alone gives."""
    annotated = session.annotated
    begin = annotated[0] if annotated else 0
    lines = session.lines()
    tracked = all(i in lines and not lines[i].backward for i in range(begin, session.valid))
    return tracked and not any(i < begin for i in lines)


def _leave_state(session: MarkedVideo, paths: OutputPaths, *, whole: bool) -> None:
    """Leave the tracker's state after the last valid frame, to resume from."""
    states = sorted(
        path for path in session.paths.states.glob("*.safetensors") if path.stem.isdecimal()
    )
    usable = [path for path in states if int(path.stem) <= session.valid]
    if not whole or not usable:
        paths.state.unlink(missing_ok=True)
        return
    with atomic_path(paths.state) as sibling:
        shutil.copyfile(usable[-1], sibling)


def _write_record(
    session: MarkedVideo,
    paths: OutputPaths,
    annotations: dict[int, Annotation],
    frames: int,
    *,
    finished: bool,
) -> None:
    options = TrackOptions(mask={**annotations}, settings=session.settings)
    with session.model.turn() as model, open_session(session.source, options, model) as run:
        record = begin_record(run)
    record = replace(
        record,
        status=RunStatus.FINISHED if finished else RunStatus.INTERRUPTED,
        frames_done=frames,
        timings={},
    )
    write_run(paths.record, record)


def _write_annotations(session: MarkedVideo) -> None:
    folder = session.paths.annotations
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = set()
        for index in session.annotated:
            annotation = session.annotation(index)
            if annotation is not None:
                path = folder / f"{index:05d}.png"
                wanted.add(path.name)
                write_label_png(path, annotation.labels)
        for path in folder.glob("*.png"):
            if path.name not in wanted:
                path.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def _has(folder: Path, stem: str) -> bool:
    return (folder / f"{stem}.png").is_file()


def _zipped(folder: Path) -> Path:
    """Put a folder into a ZIP file beside it, and remove it."""
    archive = folder.with_name(f"{folder.name}.zip")
    with atomic_path(archive) as sibling:
        # what is inside is compressed already
        with zipfile.ZipFile(sibling, "w", zipfile.ZIP_STORED) as file:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    file.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
        shutil.rmtree(folder)
    return archive
