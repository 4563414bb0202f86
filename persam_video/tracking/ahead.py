"""Encoding frames ahead of the tracker, several at once.

A tracker takes frames in order, but what encodes them need not wait for it. The operators of a
small model are too short to keep all cores busy, so some frames are encoded in parallel, each with
its share of the threads, while the tracker predicts the masks of the frames before them.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from persam_video.masks.boxes import Box
from persam_video.sam.model import ImageEmbedding, SamModel
from persam_video.video.frame import Frame

_MOST_ENCODERS = 4
"""More would find the tracker, which is one thread, too slow to take what they make."""


@dataclass(frozen=True)
class EncodedFrame(Frame):
    """A frame that was given to a model ahead of its turn.

    Attributes:
        encoding: gives the embedding, or raises what the model raised.
    """

    encoding: Future[ImageEmbedding]


def embedding_of(frame: Frame, model: SamModel, view: Box | None = None) -> ImageEmbedding:
    """Return a frame's embedding: the one that was made ahead, or a new one.

    Args:
        frame: the frame.
        model: what encodes it.
        view: the part of it that is to be seen; what was made ahead shows it all.

    Raises:
        ModelError: memory does not suffice.
    """
    if view is not None:
        return model.encode(frame.rgb, view)
    return frame.encoding.result() if isinstance(frame, EncodedFrame) else model.encode(frame.rgb)


@contextmanager
def encoding_ahead(
    model: SamModel, frames: Iterator[Frame], begin: int
) -> Iterator[Iterator[Frame]]:
    """Encode frames ahead while the block takes them; embeddings are the same up to rounding.

    Torch's threads (``torch.get_num_threads``) are divided among the encoders until the block
    ends; with one thread, on a GPU, or with a model whose operators fill the cores by themselves,
    the frames come as they are. An error of ``frames`` is raised after the frames before it.

    Args:
        model: what encodes.
        frames: in order of their index.
        begin: index of the first frame that a tracker will want encoded.

    Yields:
        The frames, those that are encoded ahead as ``EncodedFrame``.
    """
    threads = torch.get_num_threads()
    encoders = min(threads, _MOST_ENCODERS)
    if encoders == 1 or not model.encodes_side_by_side:
        yield frames
        return
    # new threads take over the number that is set when they begin
    torch.set_num_threads(threads // encoders)
    pool = ThreadPoolExecutor(encoders, thread_name_prefix="encode")
    try:
        yield _submitted(pool, model, frames, begin, ahead=encoders)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _submitted(
    pool: ThreadPoolExecutor, model: SamModel, frames: Iterator[Frame], begin: int, ahead: int
) -> Iterator[Frame]:
    waiting: deque[Frame] = deque()
    try:
        for frame in frames:
            waiting.append(_submit(pool, model, frame) if frame.index >= begin else frame)
            if len(waiting) > ahead:
                yield waiting.popleft()
    except Exception:  # whatever it is, it comes after the frames before it
        yield from waiting
        raise
    yield from waiting


def _submit(pool: ThreadPoolExecutor, model: SamModel, frame: Frame) -> EncodedFrame:
    encoding = pool.submit(model.encode, frame.rgb)
    return EncodedFrame(frame.index, frame.rgb, frame.time, encoding, name=frame.name)
