"""One model for everyone: loaded when it is first needed, used by one at a time, in turn."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from persam_video.config import Settings

if TYPE_CHECKING:
    from persam_video.sam.model import SamModel


class TurnLock:
    """A lock that is given in the order in which it was asked for."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._tickets = 0
        self._serving = 0

    def acquire(self) -> None:
        """Wait for one's turn."""
        with self._condition:
            ticket = self._tickets
            self._tickets += 1
            self._condition.wait_for(lambda: self._serving == ticket)

    def release(self) -> None:
        """Let the next one have it."""
        with self._condition:
            self._serving += 1
            self._condition.notify_all()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class SharedModel:
    """A model that several sessions use in turn.

    Args:
        settings: say which model it is, and of the tracker.
        model: a loaded one; loaded when it is first needed if not given.
    """

    def __init__(self, settings: Settings, model: "SamModel | None" = None) -> None:
        self.settings = settings
        self._model = model
        self._turn = TurnLock()

    @contextmanager
    def turn(self) -> Iterator["SamModel"]:
        """Have the model for oneself until the block ends.

        Raises:
            ModelError: it cannot be loaded.
        """
        with self._turn:
            if self._model is None:
                # imported late: torch takes seconds, and the first frame is shown before it
                from persam_video.sam.build import load_model

                self._model = load_model(self.settings)
            yield self._model
