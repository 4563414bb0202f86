"""Boxes in a video of Label Studio, followed in a session of their own."""

import hashlib
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from persam_video.config import Settings
from persam_video.errors import AnnotationError
from persam_video.masks.boxes import Box
from persam_video.studio import InteractiveSession, gestures
from persam_video.studio.model import SharedModel

_SAME = 1.0
"""Pixels by which two boxes may differ and still be one: Label Studio rounds."""

_ROUNDING = Fraction(1, 100)
"""Share of a frame by which a time may be early: durations are rounded."""


@dataclass(frozen=True)
class Timeline:
    """Label Studio's frames, which it numbers from 1 at a rate of its own.

    Attributes:
        rate: of its frames, in frames per second.
        count: of its frames.
        fps: of the video, in frames per second.
    """

    rate: Fraction
    count: int
    fps: Fraction

    def index(self, frame: int) -> int:
        """Return the index of the video's frame that is shown at one of its frames."""
        return int((frame - 1) * self.fps / self.rate + _ROUNDING)

    def time(self, frame: int) -> float:
        """Return when one of its frames ends, in seconds, which is what it notes with a box."""
        return float(frame / self.rate)

    @classmethod
    def of(cls, value: Mapping[str, Any], fps: Fraction | None) -> "Timeline":
        """Read the timeline of a region; where the rates are nearly the same, they are one.

        Args:
            value: of the region.
            fps: of the video.

        Raises:
            AnnotationError: it is not told.
        """
        try:
            count, duration = int(value["framesCount"]), Fraction(str(value["duration"]))
            rate = count / duration
            if rate <= 0:
                raise ValueError(f"{count} frames in {duration} seconds")
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise AnnotationError(f"the region does not tell its frames: {error!r}") from error
        own = fps or rate
        # the duration is that of the file, which may be a frame longer than the picture
        return cls(own if abs(rate - own) * duration <= Fraction(3, 2) else rate, count, own)


class TrackAnswers:
    """Tracks the boxes of regions, each in a session that is kept on disk.

    Args:
        folder: of the sessions.
        settings: how to track.
        model: that all share.
    """

    def __init__(self, folder: Path, settings: Settings, model: SharedModel) -> None:
        self._folder = folder
        self._settings = settings
        self._model = model

    def answer(
        self, video: Path, task: str, region: Mapping[str, Any], until: float
    ) -> dict[str, Any]:
        """Track a region on from what is marked in it.

        Boxes that differ from what was found are new marks. The same region can be sent again to
        go on where the time was up.

        Args:
            video: the video.
            task: names project and task.
            region: result of the type ``videorectangle``.
            until: time of ``time.monotonic`` at which to stop.

        Returns:
            The region with a box in every frame that is tracked.

        Raises:
            AnnotationError: the region cannot be read, or a box gives no mask.
            SourceError: the video cannot be read.
        """
        value = region.get("value")
        if not isinstance(value, Mapping):
            raise AnnotationError("the region cannot be read: it has no value")
        name = hashlib.sha256(f"{task}/{region.get('id')}".encode()).hexdigest()[:16]
        with InteractiveSession(
            video, self._folder / name, settings=self._settings, model=self._model
        ) as session:
            timeline = Timeline.of(value, session.info.fps)
            marked = _boxes(value, timeline, session)
            if not session.objects:
                session.add_object()
            _mark(session, {timeline.index(frame): box for frame, box in marked.items()})
            if session.annotated and session.valid < session.frame_count:
                with closing(session.propagate(session.valid)) as tracking:
                    for _ in tracking:
                        if time.monotonic() > until:
                            break
            sequence = _sequence(session, timeline, marked)
        return {**region, "value": {**value, "sequence": sequence}}


def _boxes(
    value: Mapping[str, Any], timeline: Timeline, session: InteractiveSession
) -> dict[int, gestures.Box]:
    """Return the boxes of a region by Label Studio's frame, in pixels.

    Raises:
        AnnotationError: they cannot be read.
    """
    height, width = session.size
    boxes = {}
    try:
        for item in value["sequence"]:
            frame = int(item["frame"])
            x, y = float(item["x"]) * width / 100, float(item["y"]) * height / 100
            right = x + float(item["width"]) * width / 100
            low = y + float(item["height"]) * height / 100
            corners = max(x, 0.0), max(y, 0.0), min(right, width), min(low, height)
            if 0 <= timeline.index(frame) < session.frame_count:
                boxes[frame] = gestures.Box(corners)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise AnnotationError(f"the boxes of the region cannot be read: {error!r}") from error
    return boxes


def _mark(session: InteractiveSession, boxes: Mapping[int, gestures.Box]) -> None:
    """Mark the boxes that a person has drawn or moved, and take back those that are gone."""
    (known,) = session.objects
    for index in set(session.annotated) - set(boxes):
        session.clear(index, known.id)
    for index, box in sorted(boxes.items()):
        drawn = [
            g.mark.corners for g in session.gestures(index) if isinstance(g.mark, gestures.Box)
        ]
        found = [o.box for o in session.result(index).objects if o.box is not None]
        if not any(_near(box.corners, other) for other in (drawn[-1:] or found)):
            session.box(index, known.id, box.corners)


def _near(one: tuple[float, float, float, float], other: tuple[float, ...] | Box) -> bool:
    return all(abs(a - b) <= _SAME for a, b in zip(one, other, strict=True))


def _sequence(
    session: InteractiveSession, timeline: Timeline, marked: Mapping[int, gestures.Box]
) -> list[dict[str, Any]]:
    """Return the boxes of all frames that are tracked, as Label Studio keeps them.

    A person's own boxes stay as they were drawn. After a box that is not enabled, none is shown
    until the next one: where the object is lost, and after the last frame that is tracked.
    """
    height, width = session.size
    annotated, valid = set(session.annotated), session.valid
    sequence: list[dict[str, Any]] = []
    for frame in range(1, timeline.count + 1):
        index = timeline.index(frame)
        corners: tuple[float, float, float, float] | None = None
        if index in annotated:
            drawn = [g.mark for g in session.gestures(index) if isinstance(g.mark, gestures.Box)]
            corners = marked[frame].corners if frame in marked else drawn[-1].corners
        elif index < valid:  # later ones may be of an earlier pass
            found = [o.box for o in session.result(index).objects if o.box is not None]
            corners = found[0] if found else None
        if corners is None:
            if sequence:
                sequence[-1]["enabled"] = False
            continue
        x0, y0, x1, y1 = corners
        sequence.append(
            {
                "frame": frame,
                "time": timeline.time(frame),
                "x": 100 * x0 / width,
                "y": 100 * y0 / height,
                "width": 100 * (x1 - x0) / width,
                "height": 100 * (y1 - y0) / height,
                "rotation": 0,
                "enabled": True,
            }
        )
    return sequence
