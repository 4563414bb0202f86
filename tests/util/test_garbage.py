"""Objects that stay are not gone through again."""

import gc

import pytest

from persam_video.util.garbage import lasting_objects, uncollected


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


def test_a_block_is_left_alone_and_what_it_leaves_is_collected():
    with uncollected():
        assert not gc.isenabled()
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


@pytest.mark.parametrize("block", [lasting_objects, uncollected])
def test_collection_that_is_off_stays_off(block):
    gc.disable()
    with block():
        pass
    assert not gc.isenabled()
