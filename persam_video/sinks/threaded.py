"""Writing in parallel with the tracking loop."""

from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread

from persam_video.results import FrameResult
from persam_video.sinks.base import Sink
from persam_video.video.frame import Frame


@dataclass(frozen=True)
class _Item:
    frame: Frame
    result: FrameResult


class ThreadedSink(Sink):
    """Runs another sink in its own thread, behind a bounded queue.

    Encoding then costs the tracking loop nothing while the queue has room; when it is full,
    ``write`` blocks, so that memory stays bounded. Frames and results are queued without a copy
    and must not be changed after they are written.

    An error of the other sink is raised by the next ``write``, and by every later one, or by
    ``close``; nothing is written after it.

    Ctrl-C may come at any moment, so there are only queues that C code fills in one step: a
    ``Queue`` that is interrupted while it wakes its reader may fail to wake it the next time.
    """

    def __init__(self, sink: Sink, queue_size: int = 1) -> None:
        """Start the thread.

        Args:
            sink: the sink to write to; ``close`` closes it.
            queue_size: maximum number of queued frames, at least 1.
        """
        if queue_size < 1:
            raise ValueError(f"queue_size is {queue_size}; it must be 1 or more")
        self._sink = sink
        self._queue: SimpleQueue[_Item | Event | None] = SimpleQueue()
        self._room: SimpleQueue[None] = (
            SimpleQueue()
        )  # an entry for each frame that it has room for
        for _ in range(queue_size):
            self._room.put(None)
        self._error: BaseException | None = None
        self._is_reported = False
        self._is_closed = False
        self._is_aborted = False
        # A daemon, so that a program that forgets to close the sink can still end.
        self._thread = Thread(
            target=self._run, name=f"writer of {type(sink).__name__}", daemon=True
        )
        self._thread.start()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The other sink's warnings."""
        return self._sink.warnings

    def write(self, frame: Frame, result: FrameResult) -> None:
        """Queue one frame and its result; wait while the queue is full.

        Raises:
            ValueError: the sink is closed.
            BaseException: what the other sink raised for an earlier frame.
        """
        if self._is_closed:
            raise ValueError("the sink is closed")
        self._raise_error()
        self._room.get()
        self._queue.put(_Item(frame, result))

    def wait(self) -> None:
        """Wait until the other sink has written everything queued so far.

        Raises:
            BaseException: what the other sink raised.
        """
        written = Event()
        self._queue.put(written)
        written.wait()
        self._raise_error()

    def close(self) -> None:
        """Write what is queued and close the other sink.

        Raises:
            BaseException: what the other sink raised, unless ``write`` did so before.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._queue.put(None)
        self._thread.join()
        try:
            self._sink.close()
        finally:
            if not self._is_reported:
                self._raise_error()

    def abort(self) -> None:
        """Discard the queue and the other sink's output."""
        if self._is_closed:
            return
        self._is_closed = self._is_aborted = True
        self._queue.put(None)
        self._thread.join()
        self._sink.abort()

    def _raise_error(self) -> None:
        if self._error is not None:
            self._is_reported = True
            raise self._error

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, Event):
                item.set()
                continue
            # After an error the queue is still emptied: a writer waiting for room must go on to
            # learn of it.
            self._room.put(None)
            if self._error is None and not self._is_aborted:
                try:
                    self._sink.write(item.frame, item.result)
                except BaseException as error:  # handed over to the writer
                    self._error = error
