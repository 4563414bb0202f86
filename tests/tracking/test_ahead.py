from collections.abc import Iterator
from concurrent.futures import Future, wait
from itertools import islice
from threading import Timer

import numpy as np
import pytest
import torch

from persam_video.config import load_settings
from persam_video.errors import ModelError, SourceError
from persam_video.persam.recall import ReadEmbedding
from persam_video.sam.transform import View
from persam_video.tracking import Tracker
from persam_video.tracking.ahead import EncodedFrame, embedding_of, encoding_ahead
from persam_video.video import Frame


@pytest.fixture
def threads() -> Iterator[None]:
    """Compute with four threads, as a machine with four cores would."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Counting:
    """A model that counts what it encodes, and does so side by side."""

    encodes_side_by_side = True

    def __init__(self, fails_at: int | None = None, dtype: torch.dtype = torch.bfloat16) -> None:
        self.dtype = dtype
        self.encoded: list[int] = []
        self.views: list[View | None] = []
        self.threads: set[int] = set()
        self._fails_at = fails_at

    def encode(self, rgb, view=None):
        number = int(rgb[0, 0, 0])
        self.encoded.append(number)
        self.views.append(view)
        self.threads.add(torch.get_num_threads())
        if number == self._fails_at:
            raise ModelError("out of memory while encoding a frame")
        return number


class Following:
    """A tracker that looks at one part of every frame."""

    def __init__(self, model, view=None) -> None:
        self.model = model
        self.view_ahead = view

    def read_ahead(self, embedding):
        return embedding


def numbered(count: int, first: int = 0) -> Iterator[Frame]:
    for index in range(first, first + count):
        yield Frame(index, np.full((4, 4, 3), index, np.uint8), index / 25)


def test_objects_are_tracked_as_without_it(model, demo_frames, threads):
    settings = load_settings("persam", {"prompts.positive_points": 1})
    frames = [frame for frame, _ in demo_frames[:6]]
    plain, ahead = Tracker(model, settings), Tracker(model, settings)
    given = {frames[0].index: demo_frames[0][1]}
    expected = [plain.step(frame, given.get(frame.index)) for frame in frames]
    with encoding_ahead(ahead, iter(frames), begin=0) as coming:
        results = [ahead.step(frame, given.get(frame.index)) for frame in coming]
    assert [result.index for result in results] == [frame.index for frame in frames]
    for one, other in zip(results, expected, strict=True):
        # a share of the threads adds up in another order
        assert (one.labels != other.labels).mean() < 1e-3
        for found, wanted in zip(one.objects, other.objects, strict=True):
            assert found.state is wanted.state
            assert found.score == pytest.approx(wanted.score, abs=1e-3)


def test_every_frame_comes_once_and_in_order_with_its_own_embedding(threads):
    model = Counting()
    with encoding_ahead(Following(model), numbered(20), begin=5) as frames:
        seen = [(frame.index, embedding_of(frame, model)) for frame in frames if frame.index >= 5]
    assert seen == [(index, index) for index in range(5, 20)]
    assert sorted(model.encoded) == list(range(5, 20))


def test_frames_before_the_first_wanted_one_are_not_encoded(threads):
    model = Counting()
    with encoding_ahead(Following(model), numbered(8), begin=8) as frames:
        assert not any(isinstance(frame, EncodedFrame) for frame in frames)
    assert model.encoded == []


def test_no_more_than_a_few_frames_are_taken_ahead(threads):
    taken = []

    def frames():
        for frame in numbered(50):
            taken.append(frame.index)
            yield frame

    with encoding_ahead(Following(Counting()), frames(), begin=0) as coming:
        for frame in islice(coming, 10):
            assert taken[-1] <= frame.index + 4


def test_threads_are_shared_while_it_lasts(threads):
    model = Counting()
    with encoding_ahead(Following(model), numbered(12), begin=0) as frames:
        for frame in frames:
            embedding_of(frame, model)
            assert torch.get_num_threads() == 1
    assert model.threads == {1}
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(("dtype", "expected"), [(torch.bfloat16, 1), (torch.float32, 2)], ids=str)
def test_two_threads_are_shared_in_bf16_and_used_by_both_in_fp32(threads, dtype, expected):
    torch.set_num_threads(2)
    model = Counting(dtype=dtype)
    with encoding_ahead(Following(model), numbered(5), begin=0) as coming:
        for _ in coming:
            assert torch.get_num_threads() == expected
    assert model.threads == {expected}
    assert torch.get_num_threads() == 2


def test_an_error_of_the_source_comes_after_the_frames_before_it(threads):
    def frames():
        yield from numbered(7)
        raise SourceError("frame 7 is damaged")

    seen = []
    with (
        encoding_ahead(Following(Counting()), frames(), begin=0) as coming,
        pytest.raises(SourceError),
    ):
        for frame in coming:
            seen.append(frame.index)
    assert seen == list(range(7))


def test_an_error_of_the_model_comes_with_its_frame(threads):
    model = Counting(fails_at=3)
    seen = []
    with (
        pytest.raises(ModelError, match="memory"),
        encoding_ahead(Following(model), numbered(9), begin=0) as frames,
    ):
        for frame in frames:
            seen.append(embedding_of(frame, model))
    assert seen == [0, 1, 2]
    assert torch.get_num_threads() == 4


def test_leaving_early_encodes_nothing_more(threads):
    model = Counting()
    with encoding_ahead(Following(model), numbered(50), begin=0) as frames:
        next(frames)
    assert len(model.encoded) <= 5


def test_one_thread_leaves_the_frames_as_they_are(threads):
    torch.set_num_threads(1)
    source = numbered(3)
    with encoding_ahead(Following(Counting()), source, begin=0) as frames:
        assert frames is source


def test_a_model_that_fills_the_cores_encodes_at_each_turn(threads):
    model = Counting()
    model.encodes_side_by_side = False
    source = numbered(3)
    with encoding_ahead(Following(model), source, begin=0) as frames:
        assert frames is source


def test_of_a_frame_is_encoded_what_the_tracker_has_planned(threads):
    model, part = Counting(), View((1, 1, 3, 3), (32, 32))
    with encoding_ahead(Following(model, part), numbered(6), begin=0) as frames:
        for frame in frames:
            embedding_of(frame, model, part)
    assert model.views == [part] * 6


def test_nothing_is_encoded_before_the_tracker_knows_of_what(threads):
    model, part = Counting(), View((1, 1, 3, 3), (32, 32))
    tracker = Following(model)
    with encoding_ahead(tracker, numbered(9), begin=3) as frames:
        for frame in frames:
            if frame.index == 3:  # only what this one shows tells where to look
                assert model.encoded == []
                tracker.view_ahead = part
            elif frame.index > 3:
                embedding_of(frame, model, part)
    assert model.views == [part] * 5


def test_frames_that_come_backwards_stay_in_order(threads):
    model = Counting()
    backwards = reversed(list(numbered(10)))
    with encoding_ahead(Following(model), backwards, begin=9) as frames:
        seen = []
        for frame in frames:
            if frame.index == 9:
                assert model.encoded == []
            seen.append(embedding_of(frame, model))
    assert seen == [*range(9, -1, -1)]
    assert sorted(model.encoded) == [*range(10)]


def test_after_an_interruption_all_frames_are_encoded_ahead(threads):
    with encoding_ahead(Following(Counting()), numbered(6, first=12), begin=3) as frames:
        assert all(isinstance(frame, EncodedFrame) for frame in frames)


def test_a_moving_object_is_seldom_encoded_twice(model, demo_frames, threads, monkeypatch):
    torch.set_num_threads(2)  # for one encoder
    frames = [frame for frame, _ in demo_frames[:24]]
    encode, views = model.encode, []
    monkeypatch.setattr(model, "encode", lambda *args: views.append(args[1:]) or encode(*args))
    tracker = Tracker(model, load_settings("persam", {"zoom.limit": 3.0}))
    labels = demo_frames[0][1]
    with encoding_ahead(tracker, iter(frames), begin=0) as coming:
        for frame in coming:
            tracker.step(frame, labels * (labels == labels.max()) if frame.index == 0 else None)
    assert len(set(views)) >= 3
    assert len(views) <= 24 + 1


def test_a_frame_is_encoded_again_when_another_part_of_it_is_wanted(threads):
    model, part = Counting(), View((1, 1, 3, 3), (32, 32))
    with encoding_ahead(Following(model), numbered(1), begin=-1) as frames:
        assert embedding_of(next(frames), model, part) == 0
    assert model.views[-1] == part


def test_masks_are_the_same_whoever_reads_the_memories(model, demo_frames, threads):
    """Bit by bit, so that a run does not depend on which thread was faster."""
    frames = [frame for frame, _ in demo_frames[:8]]
    given = {frames[0].index: demo_frames[0][1]}
    found, read = {}, []
    for in_time in (True, False):
        tracker = Tracker(model, load_settings("persam", {"memory.every": 2}))
        results = []
        with encoding_ahead(tracker, iter(frames), begin=0) as coming:
            for frame in coming:
                if frame.index == 0:
                    assert not isinstance(frame, EncodedFrame)
                elif in_time:
                    read.append(isinstance(frame.reading.result(), ReadEmbedding))
                else:
                    frame.encoding.result()
                    frame.reading.cancel()
                results.append(tracker.step(frame, given.get(frame.index)))
        found[in_time] = results
    assert sum(read) >= 4  # not before the objects are known
    for one, other in zip(found[True], found[False], strict=True):
        assert np.array_equal(one.labels, other.labels)
        assert [o.score for o in one.objects] == [o.score for o in other.objects]


def test_nobody_waits_for_what_has_not_begun_to_be_read():
    encoding, reading = Future(), Future()
    frame = EncodedFrame(0, np.zeros((4, 4, 3), np.uint8), 0.0, encoding, reading=reading)
    encoding.set_result("encoded")
    assert frame.embedding() == "encoded"
    assert reading.cancelled()


def test_what_is_being_read_is_waited_for():
    encoding, reading = Future(), Future()
    frame = EncodedFrame(0, np.zeros((4, 4, 3), np.uint8), 0.0, encoding, reading=reading)
    encoding.set_result("encoded")
    reading.set_running_or_notify_cancel()
    Timer(0.05, reading.set_result, ["read"]).start()
    assert frame.embedding() == "read"


def test_nothing_is_read_ahead_for_another_part_of_the_frame():
    encoding, reading = Future(), Future()
    encoding.set_running_or_notify_cancel()
    frame = EncodedFrame(0, np.zeros((4, 4, 3), np.uint8), 0.0, encoding, None, reading)
    assert embedding_of(frame, Counting(), View((1, 1, 3, 3), (32, 32))) == 0
    assert reading.cancelled()
    assert not encoding.cancelled()


def test_an_error_of_reading_ahead_is_raised_in_its_turn(threads):
    class Forgetful(Following):
        def read_ahead(self, embedding):
            raise ModelError("out of memory")

    model = Counting()
    with encoding_ahead(Forgetful(model), numbered(1), begin=-1) as frames:
        frame = next(frames)
        frame.encoding.result()
        wait([frame.reading])
        with pytest.raises(ModelError, match="out of memory"):
            embedding_of(frame, model)


def test_a_moving_view_gives_the_same_masks_ahead(model, demo_frames, threads):
    settings = load_settings("persam", {"zoom.limit": 3.0})
    frames = [frame for frame, _ in demo_frames[:6]]
    plain, ahead = Tracker(model, settings), Tracker(model, settings)
    labels = demo_frames[0][1]
    given = {frames[0].index: np.where(labels == labels.max(), labels, 0)}
    expected = [plain.step(frame, given.get(frame.index)) for frame in frames]
    assert plain.view is not None
    with encoding_ahead(ahead, iter(frames), begin=0) as coming:
        results = [ahead.step(frame, given.get(frame.index)) for frame in coming]
    assert ahead.view == plain.view
    for one, other in zip(results, expected, strict=True):
        assert (one.labels != other.labels).mean() < 1e-3
