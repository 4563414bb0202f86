"""Interrupts that come while a run opens its outputs."""

import sys
from contextlib import contextmanager
from itertools import count

import pytest

from persam_video.run import track_to_folder
from persam_video.sinks import RunStatus, ThreadedSink
from persam_video.sinks.outputs import Output, open_sink

OUTPUTS = (Output.OVERLAY, Output.TABLE, Output.PARQUET)


@contextmanager
def interrupt_at(moment):
    """Interrupt after so many calls and returns while outputs are opened; give how many.

    That is from when a sink is made until its thread runs. Python lets a signal's handler in there,
    as between any two steps of the main thread.
    """
    seen = [0]
    opening = [False]

    def look(frame, event, argument):
        if frame.f_code is open_sink.__code__ and event == "call":
            opening[0] = True
        # what is raised while a generator expression is collected goes nowhere
        expression = frame.f_code.co_name == "<genexpr>"
        if opening[0] and "persam_video" in frame.f_code.co_filename and not expression:
            seen[0] += 1
            if seen[0] == moment:
                sys.setprofile(None)
                raise KeyboardInterrupt
        if frame.f_code is ThreadedSink.__init__.__code__ and event == "return":
            opening[0] = False

    sys.setprofile(look)
    try:
        yield seen
    finally:
        sys.setprofile(None)


@pytest.fixture
def track(squares, settings, loaded):
    def call(out):
        return track_to_folder(
            squares.frames,
            squares.mask(0, 1, 2),
            squares.folder / out,
            settings=settings,
            model=loaded,
            outputs=OUTPUTS,
        )

    return call


def hidden(out):
    return [path.name for path in out.rglob(".*")]


def test_an_interrupt_while_outputs_are_opened_leaves_no_unfinished_file(track, squares):
    # a run that is the first to import modules has more moments than the next
    for moment in count(1, step=3):
        with interrupt_at(moment) as seen:
            record = track(f"out-{moment}")
        if seen[0] < moment:
            assert record.status is RunStatus.FINISHED
            break
        assert record.status is RunStatus.INTERRUPTED, moment
        assert not hidden(squares.folder / f"out-{moment}"), moment
    assert moment > 20
