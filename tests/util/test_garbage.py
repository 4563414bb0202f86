"""Objects that stay are not gone through again."""

import gc

import pytest

from persam_video.util.garbage import lasting_objects


@pytest.fixture(autouse=True)
def unfrozen():
    yield
    gc.unfreeze()
    gc.enable()


def test_objects_of_the_block_are_not_collected_but_later_ones_are():
    class Node:
        gone = 0

        def __init__(self):
            self.itself = self

        def __del__(self):
            Node.gone += 1

    with lasting_objects():
        assert not gc.isenabled()
        Node()
    Node()
    gc.collect()
    assert (Node.gone, gc.isenabled()) == (1, True)


def test_collection_that_is_off_stays_off():
    gc.disable()
    with lasting_objects():
        pass
    assert not gc.isenabled()
