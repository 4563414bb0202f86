"""Producing items ahead of a consumer through a bounded buffer."""

import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class Prefetcher(Iterator[T]):
    """Iterate over ``items`` with a background thread that works at most ``depth`` items ahead.

    An error of ``items`` is raised by the consumer's ``next``, after the items before it. The
    thread starts with the first ``next`` and is gone after the last item, an error or ``close``.
    """

    def __init__(self, items: Generator[T, None, None], depth: int) -> None:
        """Prepare to iterate; nothing runs yet.

        Args:
            items: the source iterator; it runs, and is closed, in the background thread.
            depth: maximum number of items waiting to be taken, at least 1.
        """
        self._items = items
        # filled by C code in one step: a semaphore may be interrupted while it wakes the thread
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(depth):
            self._slots.put(None)
        self._ready: queue.SimpleQueue[_Item[T] | _End] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="frame-prefetch", daemon=True)
        self._started = False
        self._ended = False

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        if not self._started:
            self._started = True
            self._thread.start()
        message = self._ready.get()
        if isinstance(message, _Item):
            self._slots.put(None)
            return message.value
        self._ended = True
        self._thread.join()
        if message.error is not None:
            raise message.error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for it; a second call does nothing."""
        self._ended = True
        if not self._started:
            self._items.close()
            return
        self._stopped.set()
        self._slots.put(None)
        # The garbage collector may close in any thread, the background thread included.
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        end = _End()
        try:
            while True:
                self._slots.get()
                if self._stopped.is_set():
                    break
                self._ready.put(_Item(next(self._items)))
        except StopIteration:
            pass
        except BaseException as error:  # whatever it is, it belongs to the consumer
            end = _End(error)
        finally:
            try:
                self._items.close()
            finally:
                self._ready.put(end)  # always, or the consumer would wait for ever
