"""A model shared by all sessions: loaded when first needed, used by one at a time, in turn."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from persam_video.config import Settings

if TYPE_CHECKING:
    from persam_video.sam.model import SamModel


class TurnLock:
    """A lock that is granted in the order of the requests."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._tickets = 0
        self._serving = 0

    def acquire(self) -> None:
        """Wait for the lock."""
        with self._condition:
            ticket = self._tickets
            self._tickets += 1
            self._condition.wait_for(lambda: self._serving == ticket)

    def release(self) -> None:
        """Release the lock to the next in line."""
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
        settings: settings of the model and the tracker.
        model: a loaded model; by default it is loaded when first needed.
    """

    def __init__(self, settings: Settings, model: "SamModel | None" = None) -> None:
        self.settings = settings
        self._model = model
        self._turn = TurnLock()

    @contextmanager
    def turn(self) -> Iterator["SamModel"]:
        """Use the model exclusively until the block ends.

        Raises:
            ModelError: it cannot be loaded.
        """
        with self._turn:
            if self._model is None:
                # imported late: torch takes seconds, and the first frame should not wait for it
                from persam_video.sam.build import load_model

                self._model = load_model(self.settings)
            yield self._model

    def warm_up(self) -> None:
        """Load the model in the background, so that the first click need not wait for it."""

        def load() -> None:
            # the first one to need it is told of an error; and a program that ends meanwhile makes
            # torch's import fail in ways of its own
            with suppress(Exception), self.turn():
                pass

        threading.Thread(target=load, name="model", daemon=True).start()
