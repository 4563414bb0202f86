"""The state of a session for the page, as JSON types."""

import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from persam_video.results import FrameResult, ObjectState
from persam_video.studio.gestures import Box, Click, mark_json
from persam_video.studio.session import InteractiveSession
from persam_video.studio.studio import OpenSession


def state_json(opened: OpenSession) -> dict[str, Any]:
    """Return the whole state of a session."""
    moment = (
        time.monotonic_ns() // 1000
    )  # read first, so that the state is never older than its revision
    session = opened.session
    info = session.info
    fps = None if info.fps is None else float(info.fps)
    duration = info.duration
    if duration is None and fps:
        duration = session.frame_count / fps
    return {
        "id": opened.id,
        "moment": moment,
        "name": session.name,
        "width": info.width,
        "height": info.height,
        "fps": fps,
        "frame_count": session.frame_count,
        "duration": duration,
        "objects": [
            {"id": o.id, "name": o.name, "colour": o.colour, "visible": o.visible}
            for o in session.objects
        ],
        "annotated": session.annotated,
        "tracked": ranges(session.journal.frames),
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "revision": session.revision,
        "job": None if opened.job is None else opened.job.report.as_json(),
    }


def masks_json(session: InteractiveSession, index: int, *, before: bool = False) -> dict[str, Any]:
    """Return the masks of a frame, with the clicks and boxes in effect there.

    Those from before the last change also say whether they differ from the current ones.
    """
    result = session.result(index, before=before)
    gestures = session.gestures(index)
    is_other = not np.array_equal(result.labels, session.result(index).labels) if before else None
    return {
        **({} if is_other is None else {"is_other": is_other}),
        "frame": index,
        "revision": session.revision,
        "annotated": bool(gestures),
        "objects": _objects(result),
        "gestures": [
            {"object": gesture.object_id, **mark_json(gesture.mark)}
            for gesture in gestures
            if isinstance(gesture.mark, Click | Box)
        ],
    }


def timeline_json(session: InteractiveSession) -> dict[str, Any]:
    """Return scores, lost frames and areas of every object over all tracked frames."""
    lines = session.lines()
    objects: dict[str, dict[str, list[Any]]] = {}
    for known in session.objects:
        facts = [line.objects.get(known.id) for line in lines.values()]
        objects[str(known.id)] = {
            "score": [None if f is None else round(f.score, 4) for f in facts],
            "lost": [f is not None and f.lost for f in facts],
            "area": [0 if f is None else f.area for f in facts],
        }
    return {"frames": list(lines), "objects": objects}


def review_json(session: InteractiveSession) -> dict[str, Any]:
    """Return the frames that most need review."""
    return {
        "frames": [
            {
                "frame": finding.frame,
                "object": finding.object_id,
                "reason": finding.reason.value,
                "text": finding.text,
                "value": round(finding.value, 4),
            }
            for finding in session.review()
        ]
    }


def ranges(indices: Sequence[int]) -> list[list[int]]:
    """Return ascending numbers as ranges [first, last]."""
    found = []
    for _, group in groupby(enumerate(indices), key=lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in group]
        found.append([numbers[0], numbers[-1]])
    return found


def runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return COCO's uncompressed run lengths of a mask (H, W): by column, zeros first."""
    # OpenCV's transpose is several times faster than numpy's walk over the columns
    pixels = cv2.transpose(mask.astype(np.uint8)).ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths = np.diff(edges, prepend=0, append=pixels.size).tolist()
    return [0, *lengths] if pixels[0] else lengths


def _objects(result: FrameResult) -> list[dict[str, Any]]:
    height, width = result.labels.shape
    return [
        {
            "id": known.object_id,
            "state": ("lost" if known.state is ObjectState.LOST else "tracked"),
            "score": round(float(np.nan_to_num(known.score)), 4),
            "box": None if known.box is None else [int(side) for side in known.box],
            "area": int(known.area),
            "rle": {
                "size": [height, width],
                "counts": runs(result.labels == known.object_id),
            },
        }
        for known in result.objects
    ]
