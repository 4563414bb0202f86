import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from persam_video import FrameStream, track, track_to_folder
from persam_video.drawing.overlay_style import OverlayStyle
from persam_video.errors import (
    AnnotationError,
    ConfigError,
    DatasetError,
    OutputError,
    SourceError,
)
from persam_video.masks.annotation import Annotation
from persam_video.masks.png import read_label_png
from persam_video.prompting import ObjectPrompts, annotate
from persam_video.report.findings import ObjectFacts, Reason
from persam_video.run.export import export
from persam_video.sinks import RunStatus, read_run, read_tracks
from persam_video.sinks.outputs import DEFAULT_OUTPUTS, Output, SinkOptions
from persam_video.studio import InteractiveSession
from persam_video.studio.gestures import Stroke
from tests.studio.conftest import draw


def labels(results):
    return [result.labels for result in results]


def same(found, wanted):
    return len(found) == len(wanted) and all(map(np.array_equal, found, wanted))


def masks_in(folder):
    return [read_label_png(path) for path in sorted((folder / "masks").iterdir())]


def mark_both(session, squares, frame=0):
    session.box(frame, 1, squares.boxes[frame][1])
    session.box(frame, 2, squares.boxes[frame][2])


def library_results(session, loaded):
    """Track with the library what the session has marked."""
    annotations = {index: session.annotation(index) for index in session.annotated}
    return labels(track(session.source, annotations, settings=session.settings, model=loaded))


def test_a_first_mark_gives_what_prompting_gives(session, squares, loaded):
    (frame,) = islice(FrameStream(squares.frames), 1)
    x, y = squares.centre(0, 2)
    for object_id, prompts in (
        (1, ObjectPrompts(1, box=squares.boxes[0][1])),
        (2, ObjectPrompts(2, points=((x, y),))),
    ):
        if prompts.box:
            shown = session.box(0, object_id, prompts.box)
        else:
            shown = session.click(0, object_id, x, y)
        wanted = annotate(loaded, frame.rgb, [prompts])
        assert np.array_equal(shown.labels == object_id, wanted.mask(object_id))


def test_clicks_do_what_they_say(session, squares):
    x, y = squares.centre(0, 1)
    assert session.click(0, 1, x, y).labels[int(y), int(x)] == 1
    assert session.click(0, 1, 90, 5).labels[5, 90] == 1
    shown = session.click(0, 1, 90, 5, positive=False)
    assert shown.labels[5, 90] == 0
    assert shown.labels[int(y), int(x)] == 1


def test_background_alone_names_nothing(session):
    with pytest.raises(AnnotationError, match="background points alone"):
        session.click(0, 1, 5, 5, positive=False)
    assert session.annotated == []
    assert not session.can_undo


def test_strokes_paint_and_erase_under_the_brush(session):
    shown = session.stroke(3, 1, [(20.5, 20.5), (40.5, 20.5)], 4)
    mask = shown.labels == 1
    assert mask[20, 20:41].all() and mask[17:24, 30].all()
    assert not mask[:15].any() and not mask[27:].any()
    shown = session.stroke(3, 1, [(30.5, 20.5)], 2, erase=True)
    assert shown.labels[20, 30] == 0
    assert shown.labels[20, 22] == 1
    with pytest.raises(AnnotationError, match="no mask to erase"):
        session.stroke(3, 2, [(30.5, 20.5)], 2, erase=True)


def test_a_later_mark_lies_over_an_earlier_one(session):
    session.stroke(0, 1, [(20.5, 20.5)], 8)
    shown = session.stroke(0, 2, [(24.5, 20.5)], 4)
    assert shown.labels[20, 24] == 2
    assert shown.labels[20, 15] == 1


def test_undo_and_redo(session, squares):
    mark_both(session, squares)
    both = session.result(0).labels
    assert session.undo() == 0
    assert set(np.unique(session.result(0).labels)) == {0, 1}
    assert session.undo() == 0
    assert session.undo() is None
    assert session.annotated == []
    session.redo()
    session.redo()
    assert session.redo() is None
    assert np.array_equal(session.result(0).labels, both)
    session.clear(0, 1)
    assert set(np.unique(session.result(0).labels)) == {0, 2}
    session.undo()
    assert np.array_equal(session.result(0).labels, both)
    session.undo()
    session.clear(0, 1)
    assert not session.can_redo


def test_masks_are_those_of_the_library(session, squares, loaded):
    mark_both(session, squares)
    found = list(session.propagate(0))
    assert same(labels(found), library_results(session, loaded))
    assert [r.index for r in found] == list(range(session.frame_count))
    assert all(np.array_equal(r.labels, session.result(r.index).labels) for r in found)


def test_a_correction_retracks_what_follows(session, squares, loaded):
    mark_both(session, squares)
    list(session.propagate(0))
    old = [session.result(i) for i in range(session.frame_count)]
    session.stroke(6, 2, [squares.centre(6, 1)], 5)
    retracked = list(session.propagate(6))
    assert [r.index for r in retracked] == list(range(6, session.frame_count))
    now = labels(session.result(i) for i in range(session.frame_count))
    assert same(now, library_results(session, loaded))
    assert not same(now, labels(old))
    before = labels(session.result(i, before=True) for i in range(session.frame_count))
    assert same(before, labels(old))


def test_a_pass_that_is_left_keeps_what_it_gave(session, squares, loaded):
    mark_both(session, squares)
    propagation = session.propagate(0)
    assert propagation.total == session.frame_count
    list(islice(propagation, 5))
    propagation.close()
    assert session.journal.frames == list(range(5))
    assert [r.index for r in session.propagate(5)] == list(range(5, session.frame_count))
    assert same(
        labels(session.result(i) for i in range(session.frame_count)),
        library_results(session, loaded),
    )


def test_another_pass_ends_one_that_was_left(session, squares):
    """A loop that was left is collected some time later; both must not write the same run."""
    session.box(0, 1, squares.boxes[0][1])
    left = session.propagate(0)
    next(left)
    again = [result.index for result in session.propagate(0)]
    assert again == list(range(12))
    assert list(left) == []
    masks = sorted(path.name for path in (session.paths.folder / "masks").iterdir())
    assert masks == [f"{index:05d}.png" for index in range(12)]


def test_up_to_the_next_annotation_and_between_marks(session, squares):
    mark_both(session, squares)
    session.stroke(7, 2, [squares.centre(7, 2)], 5)
    assert [r.index for r in session.propagate(0, until_next=True)] == list(range(7))
    assert [r.index for r in session.propagate(7, 9)] == [7, 8, 9]
    assert [r.index for r in session.propagate(7, direction="backward", until_next=True)] == [
        *range(7, 0, -1)
    ]
    with pytest.raises(AnnotationError, match="other way round"):
        session.propagate(7, 5)


def test_backward_tracks_what_is_marked_and_leaves_the_others(session, squares):
    session.box(0, 1, squares.boxes[0][1])
    list(session.propagate(0))
    red = [session.result(i).labels == 1 for i in range(session.frame_count)]
    session.box(8, 2, squares.boxes[8][2])
    back = list(session.propagate(8, direction="backward"))
    assert [r.index for r in back] == list(range(8, -1, -1))
    for index in range(8):
        shown = session.result(index).labels
        assert np.array_equal(shown == 1, red[index])
        x, y = squares.centre(index, 2)
        assert shown[int(y), int(x)] == 2


def test_a_mark_amid_a_pass_makes_invalid_what_follows(session, squares, loaded):
    mark_both(session, squares)
    propagation = session.propagate(0)
    list(islice(propagation, 8))
    session.stroke(3, 2, [squares.centre(3, 2)], 5)
    list(propagation)
    assert session.valid == 3
    list(session.propagate(3))
    assert session.valid == session.frame_count
    found = labels(session.result(i) for i in range(session.frame_count))
    assert same(found, library_results(session, loaded))


def test_there_must_be_something_to_track(session, squares):
    with pytest.raises(AnnotationError, match="click an object first"):
        session.propagate(4)
    session.box(6, 1, squares.boxes[6][1])
    assert session.propagate(2).first == 6
    assert session.propagate(9).first == 6
    with pytest.raises(AnnotationError, match="nothing is marked in frame 3"):
        session.propagate(3, direction="backward")


def test_a_deleted_object_comes_back_with_all_that_was_its(session, squares):
    mark_both(session, squares)
    list(session.propagate(0, 4))
    shown = labels(session.result(i) for i in range(5))
    gestures, objects = session.gestures(0), session.objects
    session.remove_object(1)
    assert [o.id for o in session.objects] == [2]
    assert {*np.unique(session.result(3).labels)} == {0, 2}
    assert all(1 not in line.objects for line in session.lines().values())
    assert session.add_object().id == 3  # what comes back keeps its id
    with pytest.raises(AnnotationError, match="there is no object 1"):
        session.click(0, 1, 5, 5)
    list(session.propagate(0, 5))
    assert session.undo() == 0
    assert session.objects[:2] == objects
    assert session.gestures(0) == gestures
    assert same(labels(session.result(i) for i in range(5)), shown)
    assert {*np.unique(session.result(5).labels)} == {0, 2}  # nothing else was known of it
    session.redo()
    assert {*np.unique(session.result(3).labels)} == {0, 2}


def test_undo_takes_back_what_was_tracked_since(session, squares, loaded):
    def shown():
        return labels(session.result(i) for i in range(session.frame_count))

    mark_both(session, squares)
    list(session.propagate(0))
    former = shown()
    session.stroke(6, 2, [squares.centre(6, 1)], 5)
    list(session.propagate(6, 8))
    session.stroke(3, 1, [squares.centre(3, 2)], 5)
    list(session.propagate(3, 5))
    corrected = shown()
    assert (session.valid, same(corrected, former)) == (6, False)
    for _ in range(2):
        session.undo()
        session.undo()
        assert same(shown(), former)
        assert session.valid == session.frame_count
        session.redo()
        session.redo()
        assert same(shown(), corrected)
        assert session.valid == 6
    session.undo()
    session.undo()
    assert same(shown(), library_results(session, loaded))
    list(session.propagate(10))  # from no state that was left by what was undone
    assert same(shown(), former)
    session.undo()  # before object 2 was marked, nothing was known of frame 0
    assert {*np.unique(session.result(0).labels)} == {0, 1}
    session.redo()
    folder = session.paths.folder
    session.close()
    assert same(masks_in(folder), former)


def test_undo_leaves_what_a_pass_under_way_has_given(session, squares):
    mark_both(session, squares)
    list(session.propagate(0))
    session.stroke(4, 2, [squares.centre(4, 1)], 5)
    propagation = session.propagate(4)
    list(islice(propagation, 2))
    session.stroke(1, 2, [squares.centre(1, 2)], 5)
    given = labels(propagation)
    session.undo()
    assert same(given, labels(session.result(i) for i in range(6, session.frame_count)))
    assert session.valid == 6


def test_a_gesture_that_is_undone_at_once_costs_no_tracking(session, squares):
    mark_both(session, squares)
    list(session.propagate(0))
    session.stroke(3, 2, [squares.centre(3, 1)], 5)
    assert session.valid == 3
    session.undo()
    assert session.valid == session.frame_count


def test_what_was_before_can_be_compared(session, squares):
    def before(index):
        return session.result(index, before=True).labels

    mark_both(session, squares)
    assert np.array_equal(before(0), session.result(0).labels)
    list(session.propagate(0))
    tracked = session.result(6).labels
    assert np.array_equal(before(6), tracked)  # nothing came before the first pass
    session.stroke(6, 2, [squares.centre(6, 1)], 5)
    assert np.array_equal(before(6), tracked)
    assert not np.array_equal(session.result(6).labels, tracked)
    list(session.propagate(6, 7))
    assert np.array_equal(before(6), tracked)


def test_forwards_from_masks_that_were_tracked_backwards(session, squares):
    session.box(8, 2, squares.boxes[8][2])
    list(session.propagate(8, 5, direction="backward"))
    assert [r.index for r in session.propagate(5, 7)] == [5, 6, 7]
    for index in (5, 6, 7):
        x, y = squares.centre(index, 2)
        assert session.result(index).labels[int(y), int(x)] == 2


def test_review_names_lost_objects_first(session, squares):
    mark_both(session, squares)
    frame = session.frame(0)
    sizes = [300, 310, 0, 0, 120]
    for index, area in enumerate(sizes):
        result = session.result(0)
        shown = np.zeros_like(result.labels)
        shown.ravel()[:area] = 1
        made = type(result).from_labels(index, 0.0, shown, [1], scores={1: 0.9})
        session.store(replace(frame, index=index), made)
    found = session.review()
    assert (found[0].frame, found[0].reason) == (2, "lost")
    assert all(finding.frame != 3 for finding in found)
    session.accept(2)
    assert all(finding.frame != 2 for finding in session.review())


def test_review_knows_what_pictures_tell(session, squares):
    mark_both(session, squares)
    list(session.propagate(0, 6))
    frame, result = session.frame(7), session.result(6)
    swapped = np.choose(result.labels, [0, 2, 1]).astype(np.uint8)
    seen = {i: ObjectFacts(False, 1.0, 300, None, 0.9, {3 - i: 0.8}) for i in (1, 2)}
    session.store(frame, replace(result, index=7, labels=swapped), seen=seen)
    lines, found = session.lines(), session.review()
    assert all(0 < known.likeness <= 1 for known in lines[4].objects.values())
    assert {(f.frame, f.object_id) for f in found if f.reason is Reason.PASSED} == {(7, 1), (7, 2)}
    folder = session.paths.folder
    session.close()
    with InteractiveSession(None, folder, model=session.model) as again:
        assert again.lines() == lines
        assert again.review() == found


def test_the_folder_is_that_of_a_run(session, squares, tmp_path, settings, loaded):
    mark_both(session, squares)
    list(session.propagate(0))
    folder = session.paths.folder
    run = tmp_path / "run"
    annotation = replace(session.annotation(0), names=session.names)
    outputs = [o for o in DEFAULT_OUTPUTS if o is not Output.OVERLAY]
    track_to_folder(
        session.source, annotation, run, settings=settings, model=loaded, outputs=outputs
    )
    assert (folder / "tracks.jsonl").read_bytes() == (run / "tracks.jsonl").read_bytes()
    masks = sorted(path.name for path in (run / "masks").iterdir())
    assert sorted(path.name for path in (folder / "masks").iterdir()) == masks
    assert all(
        (folder / "masks" / name).read_bytes() == (run / "masks" / name).read_bytes()
        for name in masks
    )
    ours, theirs = read_run(folder / "run.json"), read_run(run / "run.json")
    assert ours.status is RunStatus.FINISHED
    assert (ours.references, ours.settings) == (theirs.references, theirs.settings)
    assert ours.names == theirs.names == {"1": "red", "2": "blue"}
    assert export(folder, Output.COCO, tmp_path / "coco.json").frames == session.frame_count


def test_track_resumes_what_a_session_left(session, squares, settings, shared, loaded):
    mark_both(session, squares)
    wanted = library_results(session, loaded)
    list(session.propagate(0, 6))
    folder, source = session.paths.folder, session.source
    png = folder / "annotations" / "00000.png"
    session.close()
    record = track_to_folder(source, png, folder, settings=settings, model=loaded, resume=True)
    assert record.status is RunStatus.FINISHED
    assert record.resumed_at == [7]
    assert record.names == {"1": "red", "2": "blue"}  # a mask has no names; the session has
    assert same(masks_in(folder), wanted)
    with InteractiveSession(None, folder, model=shared) as again:
        assert again.valid == again.frame_count
        assert same(labels(again.result(i) for i in range(again.frame_count)), wanted)
    assert same(masks_in(folder), wanted)


def test_the_run_follows_corrections(session, squares):
    mark_both(session, squares)
    list(session.propagate(0))
    session.stroke(6, 2, [squares.centre(6, 1)], 5)
    retracked = session.propagate(6)
    next(retracked)
    retracked.close()
    session.remove_object(1)
    folder = session.paths.folder
    session.close()
    with InteractiveSession(None, folder, model=session.model) as again:
        wanted = labels(again.result(i) for i in range(again.frame_count))
    assert same(masks_in(folder), wanted)
    records = list(read_tracks(folder / "tracks.jsonl"))
    assert same(labels(record.result(session.size) for record in records), wanted)
    assert read_run(folder / "run.json").status is RunStatus.INTERRUPTED
    assert {*np.unique(read_label_png(folder / "annotations" / "00006.png"))} == {0, 2}


@pytest.fixture
def run(squares, tmp_path, session, settings, loaded):
    """Give the folder of a run of ``track`` whose second object appears in frame 4."""
    mark = [session.box(frame, 1, squares.boxes[frame][1]).labels for frame in (0, 4)]
    both = session.box(4, 2, squares.boxes[4][2]).labels
    session.close()
    outputs = [output for output in DEFAULT_OUTPUTS if output is not Output.OVERLAY]
    track_to_folder(
        squares.frames,
        {0: mark[0], 4: np.where(both == 2, both, 0)},
        tmp_path / "run",
        settings=settings,
        model=loaded,
        outputs=outputs,
    )
    return tmp_path / "run"


def test_a_run_is_opened_as_a_session(run, squares, shared, loaded):
    tracked = masks_in(run)
    record, tracks = (run / "run.json").read_bytes(), (run / "tracks.jsonl").read_bytes()
    with InteractiveSession(None, run, model=shared) as opened:
        assert opened.source == str(squares.frames)
        assert [o.id for o in opened.objects] == [1, 2]
        assert opened.annotated == [0, 4]
        assert same(labels(opened.result(i) for i in range(opened.frame_count)), tracked)
        assert opened.valid == opened.frame_count
    assert (run / "run.json").read_bytes() == record
    assert (run / "tracks.jsonl").read_bytes() == tracks
    with InteractiveSession(squares.frames, run, model=shared) as opened:
        opened.stroke(8, 2, [squares.centre(8, 1)], 5)
        list(opened.propagate(8))
        wanted = library_results(opened, loaded)
        assert same(labels(opened.result(i) for i in range(opened.frame_count)), wanted)
        opened.undo()
        assert opened.valid == opened.frame_count
        opened.undo()
        assert (opened.annotated, opened.valid) == ([0], 0)
    assert same(masks_in(run), tracked)


def test_begins_with_annotations(session, squares, tmp_path, loaded):
    mark_both(session, squares)
    first, later = session.annotation(0), np.zeros(session.size, np.uint8)
    later[30:40, 50:60] = 7
    named = Annotation.from_labels(later, names={7: "seventh"})
    folder = tmp_path / "begun"
    with InteractiveSession(squares.frames, folder, model=session.model) as begun:
        begun.annotate({0: first, 5: named})
        assert [(o.id, o.name) for o in begun.objects] == [
            (1, "object 1"),
            (2, "object 2"),
            (7, "seventh"),
        ]
        assert begun.annotated == [0, 5]
        assert np.array_equal(begun.result(0).labels, first.labels)
        list(begun.propagate(0))
        found = labels(begun.result(i) for i in range(begun.frame_count))
        assert same(found, library_results(begun, loaded))
        begun.undo()
        assert begun.annotated == [0]
    with InteractiveSession(None, folder, model=session.model) as again:
        assert np.array_equal(again.annotation(0).labels, first.labels)
        with pytest.raises(AnnotationError, match="is 4x4 pixels"):
            again.annotate(np.ones((4, 4), np.uint8))


def test_a_run_keeps_the_names_of_its_objects(run, squares, shared):
    def names():
        lines = list(read_tracks(run / "tracks.jsonl"))
        return [{o.object_id: o.name for o in line.objects} for line in lines]

    with InteractiveSession(None, run, model=shared) as opened:
        opened.change_object(1, name="red one")
    assert all(known[1] == "red one" for known in names())
    with InteractiveSession(None, run, model=shared) as opened:
        assert opened.names == {1: "red one"}
        opened.stroke(8, 2, [squares.centre(8, 1)], 5)
        list(opened.propagate(8))
    assert all(known[1] == "red one" for known in names())
    assert read_run(run / "run.json").names == {"1": "red one"}


def test_a_run_of_another_video_is_refused(run, squares, tmp_path, shared):
    other = draw(tmp_path / "other", 3).frames
    (other / "00000.png").unlink()
    with pytest.raises(OutputError, match="a run of another video"):
        InteractiveSession(other, run, model=shared)
    squares.frames.rename(tmp_path / "moved")
    with pytest.raises(SourceError, match="is no longer there"):
        InteractiveSession(None, run, model=shared)
    with InteractiveSession(tmp_path / "moved", run, model=shared) as opened:
        assert opened.annotated == [0, 4]
    (tmp_path / "moved").rename(tmp_path / "again")
    with pytest.raises(OutputError, match="a run of another video"):
        InteractiveSession(other, run, model=shared)
    with InteractiveSession(tmp_path / "again", run, model=shared) as opened:
        assert opened.source == str(tmp_path / "again")
    data = json.loads((run / "run.json").read_text())
    (run / "session.json").unlink()
    data["settings"]["procedure"] = "upstream"
    (run / "run.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="takes no corrections"):
        InteractiveSession(tmp_path / "again", run, model=shared)


def test_exports(session, squares):
    with pytest.raises(AnnotationError, match="nothing is marked"):
        session.export("coco")
    mark_both(session, squares)
    list(session.propagate(0))
    seen = []
    session.change_object(2, name="blue one")
    path = session.export("coco", on_frame=lambda done, total: seen.append((done, total))).place
    assert seen[-1] == (session.frame_count, session.frame_count)
    exported = json.loads(path.read_text())
    assert len(exported["images"]) == session.frame_count
    assert sorted(category["name"] for category in exported["categories"]) == ["blue one", "red"]
    assert session.export("overlay").place.name == "overlay.mp4"
    assert session.export("cutout-png").place.suffix == ".zip"


def test_an_export_warns_of_what_it_may_not_hide(session, squares):
    session.box(0, 1, squares.boxes[0][1])
    list(session.propagate(0, 4))
    session.box(3, 2, squares.boxes[3][2])
    hidden = session.export("overlay", SinkOptions(style=OverlayStyle(("anonymise",))))
    assert any(w.startswith("object 2 was not known in frames 0-2") for w in hidden.warnings)


@pytest.mark.parametrize("output", ["coco", "cutout-png"])
def test_an_export_that_fails_leaves_the_earlier_one(session, squares, output):
    mark_both(session, squares)
    list(session.propagate(0))
    path = session.export(output).place
    mine = path.parent / "cutout-png" / "mine.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("unpacked here")
    before = path.read_bytes()

    def fail(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.export(output, on_frame=fail)
    assert path.read_bytes() == before
    assert mine.read_text() == "unpacked here"
    assert {file.name for file in path.parent.iterdir()} == {path.name, "cutout-png"}
    assert session.export(output).place == path
    assert mine.exists()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (".", "would be taken for an image"),
        ("masks", "would be taken for an image"),
        ("annotations", "would be taken for an image|is an input"),
        ("exports/deep", "is an input"),
        ("masks/*.png", "would match the input pattern|is an input"),
    ],
)
def test_a_session_never_writes_to_its_source(squares, tmp_path, shared, source, says):
    folder = tmp_path / "session"
    shutil.copytree(squares.frames, folder / source.removesuffix("/*.png"))
    before = sorted(folder.rglob("*"))
    with pytest.raises(OutputError, match=says):
        InteractiveSession(str(folder / source), folder, model=shared)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["masks/00000.png", "annotations/00000.png", "results.jsonl", "states/a", "overlay.mp4"]
)
def test_a_session_takes_no_files_of_unknown_origin(squares, tmp_path, shared, name):
    file = tmp_path / "session" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"mine")
    with pytest.raises(OutputError, match=f"{file}: is of no "):
        InteractiveSession(squares.frames, tmp_path / "session", model=shared)
    assert [path for path in (tmp_path / "session").rglob("*") if path.is_file()] == [file]


def test_a_session_goes_on_when_it_is_opened_again(
    session, squares, tmp_path, settings, shared, loaded
):
    mark_both(session, squares)
    list(session.propagate(0, 5))
    shown = labels(session.result(i) for i in range(6))
    with pytest.raises(OutputError, match="another run is writing here"):
        InteractiveSession(None, session.paths.folder, model=shared)
    session.close()
    with InteractiveSession(None, session.paths.folder, model=shared) as again:
        assert [o.name for o in again.objects] == ["red", "blue"]
        assert same(labels(again.result(i) for i in range(6)), shown)
        assert again.valid == 6
        list(again.propagate(6))
        found = labels(again.result(i) for i in range(again.frame_count))
        assert same(found, library_results(again, loaded))
        again.undo()
        assert {*np.unique(again.result(0).labels)} >= {0, 1}
    with pytest.raises(OutputError, match="session of"):
        other = squares.frames / "00003.png"
        InteractiveSession(other, session.paths.folder, model=shared)
    with pytest.raises(DatasetError, match="holds neither a session"):
        InteractiveSession(None, tmp_path / "none")


CHILD = """
import sys
from persam_video.config import load_settings
from persam_video.studio import InteractiveSession

settings = load_settings("persam", {"model.image_size": 128, "model.device": "cpu"})
session = InteractiveSession(sys.argv[1], sys.argv[2], settings=settings)
session.add_object("red")
session.stroke(0, 1, [(19.5, 19.5)], 8)
for result in session.propagate(0):
    if result.index == 6:
        session.stroke(9, 1, [(46.5, 19.5)], 8)
        print("ready", flush=True)
        sys.stdin.read()
"""


def test_a_killed_session_has_lost_nothing(squares, tmp_path, shared, loaded):
    folder = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, squares.frames, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    # what was tracked is a run already, and at the latest when the session is opened again
    assert export(folder, Output.COCO, tmp_path / "coco.json").frames >= 5
    with (folder / "results.jsonl").open("ab") as file:
        file.write(b'{"pass":1,"backward"')  # as a line that was being written
    with InteractiveSession(None, folder, model=shared) as session:
        assert session.annotated == [0, 9]
        assert session.journal.frames == list(range(7))
        assert session.valid == 7
        shown = [*range(7), 9]
        assert same(masks_in(folder), labels(session.result(i) for i in shown))
        assert [record.frame for record in read_tracks(folder / "tracks.jsonl")] == shown
        assert [result.index for result in session.propagate(7)] == list(range(7, 12))
        found = labels(session.result(i) for i in range(session.frame_count))
        assert same(found, library_results(session, loaded))
        assert len(list(read_tracks(folder / "tracks.jsonl"))) == session.frame_count


def test_a_closed_session_is_left_alone(session, squares):
    session.box(0, 1, squares.boxes[0][1])
    begun = session.propagate(0)
    next(begun)
    session.close()
    files = {path: path.stat().st_mtime_ns for path in session.paths.folder.rglob("*")}
    with pytest.raises(StopIteration):
        next(begun)
    with pytest.raises(OutputError, match="session is closed"):
        session.stroke(0, 1, [(5, 5)], 3)
    with pytest.raises(OutputError, match="session is closed"):
        list(session.propagate(0))
    session.close()
    assert {path: path.stat().st_mtime_ns for path in session.paths.folder.rglob("*")} == files


def test_changes_are_told(session, squares):
    told = []
    end = session.subscribe(lambda what, frame: told.append((what, frame)))
    session.box(0, 1, squares.boxes[0][1])
    list(session.propagate(0, 2))
    assert ("state", None) in told
    assert [frame for what, frame in told if what == "masks"] == [0, 1, 2]
    end()
    session.undo()
    assert len([what for what, _ in told if what == "state"]) == 1


def test_sources_that_cannot_be_sought_are_refused(tmp_path):
    with pytest.raises(SourceError, match="has no random access"):
        InteractiveSession("http://127.0.0.1:1/x.mp4", tmp_path / "session")
    with pytest.raises(SourceError, match="no such file"):
        InteractiveSession(tmp_path / "none.mp4", tmp_path / "session")
    assert not (tmp_path / "session").exists()


def test_strokes_that_reach_out_are_cut_off(session):
    assert Stroke(((-10.0, 5.0), (200.0, 5.0)), 3).cover(session.size)[5].all()
