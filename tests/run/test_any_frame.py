import gc
from itertools import pairwise

import numpy as np
import pytest

from eval.common import iou
from persam_video.config import load_settings
from persam_video.errors import AnnotationError, ConfigError, SourceError
from persam_video.masks.png import read_label_png
from persam_video.run import FrameRange, track, track_to_folder
from persam_video.run.annotations import load_annotations, parse_masks
from persam_video.run.backward import BackwardResults, reversed_frames
from persam_video.run.frames import open_stream
from persam_video.run.tracker_factory import make_tracker
from persam_video.sinks import read_tracks
from persam_video.tracking import FrameResult, ObjectState
from persam_video.video import Frame
from persam_video.video.selection import Selection


@pytest.fixture
def results(squares, settings, loaded):
    """Track the squares and give all results."""

    def call(masks, **options):
        return list(
            track(squares.frames, masks, **{"settings": settings, "model": loaded} | options)
        )

    return call


def test_an_object_may_start_later_and_be_corrected(results, squares):
    wrong = np.roll(squares.truth[6], 30, axis=1)
    given = {0: squares.mask(0, 1), 3: squares.mask(3, 2), 6: np.where(wrong == 1, 1, 0)}
    found = results(given)
    assert [[o.object_id for o in result.objects] for result in found] == [[1]] * 3 + [[1, 2]] * 9
    assert np.array_equal(found[3].mask(2), squares.truth[3] == 2)
    assert np.array_equal(found[6].mask(1), wrong == 1)
    for result in found[3:]:
        assert iou(result.mask(2), squares.truth[result.index] == 2) > 0.6


def test_frames_before_the_first_annotation_are_empty(results, squares):
    found = results({4: squares.mask(4, 1, 2)})
    assert [result.index for result in found] == list(range(12))
    assert all(not result.labels.any() and not result.objects for result in found[:4])
    plain = results(squares.mask(4, 1, 2), frames=FrameRange(start=4))
    for ours, theirs in zip(found[4:], plain, strict=True):
        assert np.array_equal(ours.labels, theirs.labels)


@pytest.mark.parametrize(
    ("masks", "frames", "found"),
    [
        ({40: 1}, FrameRange(), "frame 40 is beyond the end.*12 frames, 0 to 11"),
        ({2: 1}, FrameRange(start=4), "frame 2 .* not tracked .*4 to the end"),
        ({9: 1}, FrameRange(stop=8), "0 to 7"),
        ({3: 1}, FrameRange(stride=2), "steps of 2"),
        ({}, FrameRange(), "no annotation: give the mask"),
    ],
)
def test_a_mask_of_a_frame_that_is_not_tracked_is_refused(results, squares, masks, frames, found):
    given = {index: squares.mask(0, 1) for index in masks}
    with pytest.raises(AnnotationError, match=found):
        results(given, frames=frames)


def test_masks_are_read_with_and_without_a_frame():
    parsed = parse_masks(["a.png", "40=b=c.png"])
    assert {index: str(file) for index, file in parsed.items()} == {None: "a.png", 40: "b=c.png"}
    assert [str(file) for file in parse_masks(["./7=d.png"]).values()] == ["7=d.png"]
    with pytest.raises(AnnotationError, match=r"two masks are for frame 5, a\.png and b\.png"):
        parse_masks(["5=a.png", "5=b.png"])
    with pytest.raises(AnnotationError, match=r"two masks are for the first frame, a\.png and b"):
        parse_masks(["a.png", "b.png"])


def test_an_object_is_tracked_backwards_too(results, squares):
    given = {0: squares.mask(0, 1), 6: squares.mask(6, 2)}
    forward, both = results(given), results(given, backward=True)
    assert [result.index for result in both] == list(range(12))
    for ours, theirs in zip(both[6:], forward[6:], strict=True):
        assert np.array_equal(ours.labels, theirs.labels)
        assert ours.objects == theirs.objects
    for ours, theirs in zip(both[:6], forward[:6], strict=True):
        assert np.array_equal(ours.mask(1), theirs.mask(1))  # forward objects win
        assert [o.object_id for o in ours.objects] == [1, 2]
        assert iou(ours.mask(2), squares.truth[ours.index] == 2) > 0.6
        second = ours.objects[1]
        assert second.area == ours.mask(2).sum()
        assert second.state is ObjectState.TRACKED


def test_backward_results_reach_every_sink_in_order(squares, settings, loaded):
    out = squares.folder / "out"
    given = {4: squares.mask(4, 1), 8: squares.mask(8, 2)}
    track_to_folder(squares.frames, given, out, settings=settings, model=loaded, backward=True)
    records = list(read_tracks(out / "tracks.jsonl"))
    assert all(a.frame + 1 == b.frame for a, b in pairwise(records))
    assert len(records) == 12
    for record in records:
        labels = read_label_png(out / "masks" / f"{record.frame:05d}.png")
        assert np.array_equal(record.result(labels.shape).labels, labels)
        for object_id in (1, 2):
            assert iou(labels == object_id, squares.truth[record.frame] == object_id) > 0.6
    assert not (out / "backward").exists()


def test_a_run_cut_off_on_its_way_back_or_after_goes_on(squares, settings, loaded):
    given = {0: squares.mask(0, 1), 6: squares.mask(6, 2)}

    def call(out, **options):
        track_to_folder(
            squares.frames,
            given,
            squares.folder / out,
            settings=settings,
            model=loaded,
            backward=True,
            snapshot_seconds=0,
            **options,
        )
        return (squares.folder / out / "tracks.jsonl").read_bytes()

    whole = call("whole")

    class CutOffError(Exception):
        pass

    def stop(progress):
        if progress.done == 3 and not progress.backwards:
            raise CutOffError

    with pytest.raises(CutOffError):
        call("out", on_progress=stop)
    before = (squares.folder / "out" / "backward" / "00002.jsonl").stat().st_mtime_ns
    with pytest.raises(CutOffError):
        call("out", resume=True, on_progress=stop)
    # the way back is not gone again once it is whole, and begun again where it is not
    assert (squares.folder / "out" / "backward" / "00002.jsonl").stat().st_mtime_ns == before
    (squares.folder / "out" / "backward" / "complete").unlink()
    (squares.folder / "out" / "backward" / "00002.jsonl").write_text('{"torn')
    assert call("out", resume=True) == whole


def test_the_way_back_reports_how_far_it_is(squares, settings, loaded):
    given = {2: squares.mask(2, 1), 6: squares.mask(6, 2)}
    for masks, back in ((given, 6), ({1: squares.mask(1, 1)}, 0)):
        steps = []
        track_to_folder(
            squares.frames,
            masks,
            squares.folder / f"out-{back}",
            settings=settings,
            model=loaded,
            backward=True,
            frames=FrameRange(start=1, stop=8),
            outputs=(),
            on_progress=steps.append,
        )
        passes = [[step for step in steps if step.backwards is way] for way in (True, False)]
        assert steps == passes[0] + passes[1]
        assert [(step.done, step.total) for step in passes[0]] == [
            (n, back) for n in range(1, back + 1)
        ]
        assert [(step.done, step.total) for step in passes[1]] == [(n, 7) for n in range(1, 8)]


def test_the_way_back_must_have_met_the_same_frames(squares, settings, loaded):
    seen = BackwardResults(squares.folder / "back")
    frames = FrameRange(stop=4)
    given = load_annotations(
        {2: squares.truth[2]}, open_stream(squares.frames, "pyav", frames).info, frames
    )
    seen.make(
        make_tracker(loaded, settings),
        loaded,
        given,
        frames,
        lambda part: open_stream(squares.frames, "pyav", part),
    )
    labels = np.zeros_like(squares.truth[0])
    assert seen.merge_backward(FrameResult(1, 1 / 24, labels, ())).objects
    with pytest.raises(
        SourceError, match=r"frame 1 is at 0\.084 s, and was at 0\.042 s.*--backward"
    ):
        seen.merge_backward(FrameResult(1, 0.084, labels, ()))


def test_no_more_than_a_part_is_held_on_the_way_back(squares):
    # frames that other tests left are kept alive, so that they can be told apart
    left = [thing for thing in gc.get_objects() if type(thing) is Frame]
    held, order = [], []

    def open_part(part):
        return open_stream(squares.frames, "pyav", part)

    size = 3 * 96 * 64
    frames = reversed_frames(open_part, Selection(1, None, 2), 11, 2 * size)
    for frame in frames:
        order.append((frame.index, frame.rgb.copy()))
        del frame
        held.append(sum(type(thing) is Frame for thing in gc.get_objects()) - len(left))
    assert [index for index, _ in order] == [11, 9, 7, 5, 3, 1]
    assert max(held) <= 2
    for index, rgb in order:
        y, x = np.argwhere(squares.truth[index] == 1)[0]
        assert tuple(rgb[y + 2, x + 2]) == (230, 40, 30)


def test_upstream_takes_only_the_first_frame_and_only_forwards(squares):
    settings = load_settings("upstream")
    with pytest.raises(ConfigError, match="one annotation"):
        track(squares.frames, {3: squares.mask(3, 1)}, settings=settings)
    with pytest.raises(ConfigError, match="--backward"):
        track(squares.frames, squares.mask(0, 1), settings=settings, backward=True)


def test_ranges_end_by_count_and_by_time(results, squares):
    mask = squares.mask(0, 1)
    assert [r.index for r in results(mask, frames=FrameRange(max_frames=3, stride=2))] == [0, 2, 4]
    by_time = results(mask, frames=FrameRange(duration=0.2))
    times = [result.time for result in by_time]
    assert times[-1] - times[0] < 0.2 <= times[-1] - times[0] + times[1] - times[0] + 1e-9
    with pytest.raises(ConfigError, match="1 or more"):
        FrameRange(max_frames=0)
    with pytest.raises(ConfigError, match="more than 0"):
        FrameRange(duration=0.0)
