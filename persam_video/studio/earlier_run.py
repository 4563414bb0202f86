"""Turn a run of ``track`` into a session: its masks are tracked ones, its annotations marks."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from persam_video.errors import DatasetError
from persam_video.masks.annotation import Annotation
from persam_video.masks.rle import encode
from persam_video.results import FrameResult
from persam_video.run.annotations import AnnotatedFrames
from persam_video.run.outputs import OutputPaths
from persam_video.sinks import RunRecord, read_run, read_tracks
from persam_video.studio.gestures import Gesture, Given, compose
from persam_video.studio.results import ResultJournal
from persam_video.studio.store import RunMark, SessionDocument, SessionPaths, StudioObject
from persam_video.util.atomic import atomic_path
from persam_video.util.download import file_sha256


def take_earlier_run(
    document: SessionDocument, journal: ResultJournal, paths: SessionPaths
) -> None:
    """Import what ``track`` has written to a session's folder since the session last wrote the run.

    Args:
        document: the session's document, updated in place.
        journal: receives the new results.
        paths: paths of the folder.

    Raises:
        DatasetError: the run cannot be read.
        OutputError: a result cannot be written.
    """
    run = OutputPaths(paths.folder)
    if not run.record.is_file():
        return
    digest = file_sha256(run.record)
    if digest in document.run.sha256:
        return
    record = read_run(run.record)
    indices = _take_results(document, journal, run, record)
    if not document.history.done:
        _take_annotations(document, journal, record)
    if _annotations(document).hashes() == record.references and _is_forward_only(record, indices):
        document.valid = indices[-1] + 1
        _take_state(run.state, paths.states, len(indices))
    else:
        document.valid = 0
    document.run = RunMark((digest,), journal.end)


def _take_results(
    document: SessionDocument, journal: ResultJournal, run: OutputPaths, record: RunRecord
) -> list[int]:
    """Import the results, and return the indices of their frames."""
    size = document.height, document.width
    journal.begin_pass()
    indices: list[int] = []
    ids = {shown.id for shown in document.objects}
    backward = bool(record.source.get("backward"))
    for line in read_tracks(run.tracks) if run.tracks.exists() else ():
        try:
            result = line.result(size)
        except ValueError as error:
            raise DatasetError(
                f"{run.tracks}: frame {line.frame} cannot be read ({error}); track again"
            ) from error
        indices.append(result.index)
        known = journal.get(result.index)
        if known is None or not _same(known, result):
            journal.put(result, line.name, backward=backward)
        ids |= {found.object_id for found in result.objects}
    for object_id in sorted(ids - {shown.id for shown in document.objects}):
        document.add_object(StudioObject.new(object_id, record.names.get(str(object_id))))
    return indices


def _take_annotations(document: SessionDocument, journal: ResultJournal, record: RunRecord) -> None:
    """Import the annotations as marks, as far as the masks show them."""
    for frame, digest in sorted((int(frame), sha) for frame, sha in record.references.items()):
        result = journal.get(frame)
        if result is None:  # the run did not get that far
            continue
        sure = [found.object_id for found in result.objects if found.area and found.score == 1]
        for ids in (sure, [found.object_id for found in result.objects if found.area]):
            labels = np.where(np.isin(result.labels, ids), result.labels, np.uint8(0))
            if hashlib.sha256(labels.tobytes()).hexdigest() == digest:
                break
        document.history.done += [
            Gesture(frame, object_id, Given(), encode(labels == object_id), journal.end)
            for object_id in ids
        ]


def _annotations(document: SessionDocument) -> AnnotatedFrames:
    """Return the session's marks as annotations."""
    size = document.height, document.width
    labels: Mapping[int, NDArray[np.uint8]] = {
        frame: compose(document.history.masks(frame), size) for frame in document.history.frames
    }
    return AnnotatedFrames({i: Annotation.from_labels(m) for i, m in labels.items() if m.any()})


def _is_forward_only(record: RunRecord, indices: list[int]) -> bool:
    """Whether the results come from tracking forwards from the first annotation only."""
    source = record.source
    if not indices or source.get("backward") or source.get("photos"):
        return False
    begin = min(map(int, record.references), default=0)
    return indices == list(range(indices[0], indices[-1] + 1)) and indices[0] <= begin


def _take_state(state: Path, states: Path, frames: int) -> None:
    """Import the tracker's state after some frames, to continue tracking from there."""
    if state.is_file():
        states.mkdir(exist_ok=True)
        with atomic_path(states / f"{frames:06d}.safetensors") as sibling:
            shutil.copyfile(state, sibling)


def _same(one: FrameResult, other: FrameResult) -> bool:
    return np.array_equal(one.labels, other.labels) and [
        (o.object_id, o.state) for o in one.objects
    ] == [(o.object_id, o.state) for o in other.objects]
