import threading
import time
from collections.abc import Callable, Generator

import pytest

from persam_video.video.prefetch import Prefetcher


class Producer:
    """Counts up, remembering how far it came and whether it was closed."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.produced = 0
        self.closed_in: str | None = None
        self.fails_at = fails_at

    def items(self) -> Generator[int, None, None]:
        try:
            while self.produced < 1000:
                if self.produced == self.fails_at:
                    raise KeyError("broken")
                self.produced += 1
                yield self.produced - 1
        finally:
            self.closed_in = threading.current_thread().name


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(20_000):
        if condition():
            return
        time.sleep(0.005)
    pytest.fail("did not happen")


def test_keeps_order_and_ends(running) -> None:
    producer = Producer()
    prefetcher = Prefetcher(producer.items(), depth=3)
    assert list(prefetcher) == list(range(1000))
    assert next(prefetcher, None) is None
    assert not running()
    assert producer.closed_in == "frame-prefetch"


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_works_ahead_no_further_than_its_depth(depth: int) -> None:
    producer = Producer()
    prefetcher = Prefetcher(producer.items(), depth)
    for taken in range(1, 5):
        next(prefetcher)
        wait_until(lambda taken=taken: producer.produced == taken + depth)
        time.sleep(0.02)  # time to go too far
        assert producer.produced == taken + depth
    prefetcher.close()


def test_raises_errors_after_the_items_before_them(running) -> None:
    prefetcher = Prefetcher(Producer(fails_at=2).items(), depth=4)
    assert [next(prefetcher), next(prefetcher)] == [0, 1]
    with pytest.raises(KeyError, match="broken"):
        next(prefetcher)
    assert next(prefetcher, None) is None
    assert not running()


def test_close_stops_the_thread_and_may_be_repeated(running) -> None:
    producer = Producer()
    prefetcher = Prefetcher(producer.items(), depth=2)
    next(prefetcher)
    prefetcher.close()
    prefetcher.close()
    assert not running()
    assert producer.closed_in == "frame-prefetch"
    assert producer.produced <= 3
    assert next(prefetcher, None) is None


def test_close_before_the_first_item_starts_nothing() -> None:
    producer = Producer()
    prefetcher = Prefetcher(producer.items(), depth=2)
    prefetcher.close()
    assert next(prefetcher, None) is None
    assert producer.produced == 0
