"""Encoding frames ahead of the tracker, several at once.

A tracker takes frames in order, but encoding need not wait for it. The operators of a small model
are too short to keep all cores busy, so several frames are encoded in parallel, each with its share
of the threads, while the tracker predicts the masks of the frames before them. What tracked objects
remember for long is read for a frame there, too, unless the tracker gets to it first.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.sam.transform import View
from persam_video.tracking.protocol import VideoTracker
from persam_video.video.frame import Frame

_MOST_ENCODERS = 4
"""Greatest number of encoders; the tracker, a single thread, cannot keep up with more."""


@dataclass(frozen=True)
class EncodedFrame(Frame):
    """A frame that is encoded ahead of its turn.

    Attributes:
        encoding: returns the embedding, or raises the model's error.
        view: the part of the frame that is encoded; ``None`` for all of it.
        reading: returns the embedding with what was read ahead for it; whoever cancels it in time
            gets along without.
    """

    encoding: Future[ImageEmbedding]
    view: View | None = None
    reading: Future[ImageEmbedding] | None = None

    def embedding(self) -> ImageEmbedding:
        """Return the embedding, with what was read ahead unless that would take longer."""
        reading = self.reading
        if reading is None or (not self.encoding.done() and reading.cancel()):
            return self.encoding.result()
        encoded = self.encoding.result()
        return encoded if reading.cancel() else reading.result()

    def cancel(self) -> None:
        """Do no more of the work ahead than what was begun."""
        self.encoding.cancel()
        if self.reading is not None:
            self.reading.cancel()


def embedding_of(frame: Frame, model: SamModel, view: View | None = None) -> ImageEmbedding:
    """Return a frame's embedding: the one encoded ahead, if it shows what it has to.

    Args:
        frame: the frame.
        model: the model.
        view: the part of it to encode; ``None`` for all of it.

    Raises:
        ModelError: memory does not suffice.
    """
    if isinstance(frame, EncodedFrame):
        if frame.view == view:
            return frame.embedding()
        frame.cancel()
    return model.encode(frame.pixels) if view is None else model.encode(frame.pixels, view)


@contextmanager
def encoding_ahead(
    tracker: VideoTracker, frames: Iterator[Frame], begin: int
) -> Iterator[Iterator[Frame]]:
    """Encode frames ahead of their use in the block; embeddings are the same up to rounding.

    Torch's threads (``torch.get_num_threads``) are divided among the encoders and the tracker
    until the block ends, but in fp32 a single encoder and the tracker both use all of them. With
    one thread, on a GPU, or with a model whose operators fill the cores by themselves, the frames
    are passed through. Of a frame is encoded the part that the tracker has planned by then; if it
    wants another one in the end, it encodes the frame itself. An error of ``frames`` is raised
    after the frames before it.

    Args:
        tracker: takes the frames in the block.
        frames: forwards or backwards.
        begin: index of the first frame that the tracker needs encoded; only when it has taken that
            one, it can tell which parts of those that follow. Backwards, it is the first of all.

    Yields:
        An iterator over the frames, with frames encoded ahead as ``EncodedFrame``.
    """
    threads = torch.get_num_threads()
    encoders = min(threads - 1, _MOST_ENCODERS)
    if encoders == 0 or not tracker.model.encodes_side_by_side:
        yield frames
        return
    # with a single encoder in fp32, the tracker would wait for it most of the time
    alone = encoders == 1 and tracker.model.dtype is torch.float32
    # new threads inherit the number that is set when they start
    torch.set_num_threads(threads if alone else round(threads / (encoders + 1)))
    pool = ThreadPoolExecutor(encoders, thread_name_prefix="encode")
    try:
        yield _submitted(pool, tracker, frames, begin, ahead=encoders)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _submitted(
    pool: ThreadPoolExecutor,
    tracker: VideoTracker,
    frames: Iterator[Frame],
    begin: int,
    ahead: int,
) -> Iterator[Frame]:
    waiting: deque[Frame] = deque()
    begun = False
    try:
        for frame in frames:
            if not begun and frame.index <= begin:
                begun = frame.index == begin
                yield frame
                continue
            begun = True
            waiting.append(_submit(pool, tracker, frame))
            if len(waiting) > ahead:
                yield waiting.popleft()
    except Exception:  # any error is raised after the frames before it
        yield from waiting
        raise
    yield from waiting


def _submit(pool: ThreadPoolExecutor, tracker: VideoTracker, frame: Frame) -> EncodedFrame:
    view = tracker.view_ahead
    reading: Future[ImageEmbedding] = Future()
    encoding = pool.submit(embedding_of, frame, tracker.model, view)
    encoding.add_done_callback(lambda done: _read(tracker, done, reading))
    return EncodedFrame(
        frame.index, frame.pixels, frame.time, encoding, view, reading, name=frame.name
    )


def _read(
    tracker: VideoTracker, encoding: Future[ImageEmbedding], reading: Future[ImageEmbedding]
) -> None:
    """Read ahead in the thread that encoded the frame, if that is still wanted."""
    if encoding.cancelled() or encoding.exception() or not reading.set_running_or_notify_cancel():
        return
    try:
        reading.set_result(tracker.read_ahead(encoding.result()))
    except BaseException as error:
        reading.set_exception(error)
