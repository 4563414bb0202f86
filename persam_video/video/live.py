"""Keeping up with a live source."""

import threading
from collections.abc import Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestItems(Iterator[T], Generic[T]):
    """Iterate over the newest of ``items``, dropping those that arrive while the consumer is busy.

    A background thread takes every item as soon as it comes and keeps the newest one. An error of
    ``items`` is raised by the consumer's ``next``, after the item before it. The thread starts with
    the first ``next``.

    Attributes:
        dropped: number of items dropped so far.
    """

    def __init__(self, items: Generator[T, None, None]) -> None:
        """Prepare to iterate; nothing runs yet.

        Args:
            items: the source iterator; it runs, and is closed, in the background thread.
        """
        self.dropped = 0
        self._items = items
        self._newest: list[T] = []  # one at most
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._started = self._stopped = self._ended = False
        self._thread = threading.Thread(target=self._work, name="live-frames", daemon=True)

    def __next__(self) -> T:
        if not self._started and not self._stopped:
            self._started = True
            self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._ended or self._stopped)
            if self._newest and not self._stopped:
                return self._newest.pop()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for it; a second call does nothing."""
        with self._changed:
            self._stopped = True
        if not self._started:
            self._items.close()
        # The garbage collector may close in any thread, the background thread included.
        elif self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self.dropped += len(self._newest)
                    self._newest[:] = [item]
                    self._changed.notify_all()
                if self._stopped:
                    break
        except BaseException as error:  # whatever it is, it belongs to the consumer
            self._error = error
        finally:
            try:
                self._items.close()
            finally:
                with self._changed:
                    self._ended = True
                    self._changed.notify_all()
