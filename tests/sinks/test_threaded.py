import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from persam_video.errors import OutputError
from persam_video.masks import read_label_png
from persam_video.results import FrameResult
from persam_video.sinks import MaskPngSink, Sink, ThreadedSink
from persam_video.video.frame import Frame

LABELS = np.ones((4, 5), np.uint8)


def pair(index: int) -> tuple[Frame, FrameResult]:
    frame = Frame(index, np.zeros((4, 5, 3), np.uint8), index / 25)
    return frame, FrameResult(index, index / 25, LABELS, ())


class Recorder(Sink):
    """Notes what it gets, waits for a gate, and fails where it is told to."""

    def __init__(self, fail_at: int | None = None, fail_at_close: bool = False) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.indices: list[int] = []
        self.threads: set[int] = set()
        self.closed = 0
        self._fail_at = fail_at
        self._fail_at_close = fail_at_close

    def write(self, frame: Frame, result: FrameResult) -> None:
        self.gate.wait()
        if result.index == self._fail_at:
            raise OutputError(f"frame {result.index} cannot be written")
        self.indices.append(result.index)
        self.threads.add(threading.get_ident())

    def close(self) -> None:
        self.closed += 1
        if self._fail_at_close:
            raise OutputError("cannot be closed")


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    # threads of other tests, which may end at any moment, do not count
    before = threading.enumerate()
    yield
    stayed = [thread for thread in threading.enumerate() if thread not in before]
    assert not [thread for thread in stayed if thread.name.startswith("writer of ")]


def test_everything_is_written_in_order_by_another_thread() -> None:
    recorder = Recorder()
    with ThreadedSink(recorder, queue_size=2) as sink:
        for index in range(50):
            sink.write(*pair(index))
    assert recorder.indices == list(range(50))
    assert threading.get_ident() not in recorder.threads
    assert recorder.closed == 1
    sink.close()
    assert recorder.closed == 1
    with pytest.raises(ValueError, match="closed"):
        sink.write(*pair(50))


def test_real_files(tmp_path: Path) -> None:
    with ThreadedSink(MaskPngSink(tmp_path)) as sink:
        for index in range(20):
            sink.write(*pair(index))
    assert len(list(tmp_path.glob("*.png"))) == 20
    np.testing.assert_array_equal(read_label_png(tmp_path / "00019.png"), LABELS)


def test_the_queue_is_bounded() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    sink = ThreadedSink(recorder, queue_size=3)
    written: list[int] = []

    def write_all() -> None:
        for index in range(10):
            sink.write(*pair(index))
            written.append(index)

    writer = threading.Thread(target=write_all)
    writer.start()
    writer.join(timeout=0.3)
    # Three wait in the queue and one is in the hands of the thread.
    assert writer.is_alive()
    assert len(written) <= 4
    recorder.gate.set()
    writer.join()
    sink.close()
    assert recorder.indices == list(range(10))


def test_an_error_comes_out_at_the_next_write_and_nothing_follows_it() -> None:
    recorder = Recorder(fail_at=3)
    sink = ThreadedSink(recorder, queue_size=1)
    with pytest.raises(OutputError, match="frame 3 cannot"):
        for index in range(100):
            sink.write(*pair(index))
    with pytest.raises(OutputError, match="frame 3 cannot"):
        sink.write(*pair(100))
    sink.close()  # it was reported
    assert recorder.indices == [0, 1, 2]
    assert recorder.closed == 1


def test_an_error_at_the_end_comes_out_of_close() -> None:
    recorder = Recorder(fail_at=3)
    sink = ThreadedSink(recorder)
    for index in range(4):
        sink.write(*pair(index))
    with pytest.raises(OutputError, match="frame 3 cannot"):
        sink.close()
    assert recorder.closed == 1
    sink.close()


def test_an_error_of_closing_comes_out() -> None:
    with (
        pytest.raises(OutputError, match="cannot be closed"),
        ThreadedSink(Recorder(fail_at_close=True)) as sink,
    ):
        sink.write(*pair(0))


def test_of_two_errors_the_first_is_raised_and_the_other_kept_as_its_context() -> None:
    sink = ThreadedSink(Recorder(fail_at=0, fail_at_close=True))
    sink.write(*pair(0))
    with pytest.raises(OutputError, match="frame 0 cannot") as raised:
        sink.close()
    assert "cannot be closed" in str(raised.value.__context__)


def test_an_error_of_the_block_drops_what_is_queued() -> None:
    recorder = Recorder()
    with pytest.raises(KeyboardInterrupt), ThreadedSink(recorder) as sink:
        for index in range(5):
            sink.write(*pair(index))
        raise KeyboardInterrupt
    assert recorder.indices == list(range(len(recorder.indices)))
    assert recorder.closed == 1
    with pytest.raises(ValueError, match="closed"):
        sink.write(*pair(5))


def test_a_queue_needs_room() -> None:
    with pytest.raises(ValueError, match="queue_size is 0"):
        ThreadedSink(Recorder(), queue_size=0)


def interrupted_at(moment: int, action: Callable[[], None]) -> bool:
    """Interrupt an action after so many steps of this thread; say whether it took as many."""
    steps = 0

    def look(frame: object, event: str, argument: object) -> None:
        nonlocal steps
        steps += argument is not sys.setprofile
        if steps == moment:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def test_a_sink_can_be_closed_whenever_writing_was_interrupted() -> None:
    moment, interrupted = 0, True
    while interrupted:
        moment += 1
        recorder = Recorder()
        sink = ThreadedSink(recorder)
        sink.write(*pair(0))
        sink.wait()  # its thread has nothing to do now
        frame, result = pair(1)
        interrupted = interrupted_at(moment, lambda: sink.write(frame, result))  # noqa: B023
        time.sleep(0.01)  # what was queued is written, and the thread waits again
        closing = threading.Thread(target=sink.close, daemon=True)
        closing.start()
        closing.join(60)
        assert not closing.is_alive(), f"closing hangs after an interrupt at step {moment}"
        assert recorder.closed == 1
    assert moment > 3
