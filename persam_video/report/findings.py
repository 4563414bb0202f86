"""Which frames most need review."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from statistics import median, quantiles
from typing import NamedTuple

from persam_video.masks.boxes import Box, centre

LOW_SCORE = 0.8
"""A score below this share of the object's median is worth a look."""

SUDDEN_CHANGE = 0.35
"""So is an area that changes by more than this share from one frame to the next."""

JUMP = 0.5
"""So is a centre that moves by more than this share of the object's size, ..."""

USUAL_STEPS = 4.0
"""... if that is more than so many of its usual steps."""

UNLIKE = 0.75
"""So are colours whose likeness to the first frame is below this share of what it mostly is."""

PASSED = 0.3
"""So is an object of which more than this share passed to one other object ..."""

PASSING = 10
"""... within so many frames."""

_MOST = 50
_APART = 5
"""Of neighbours with the same fault, the worst within so many frames is named."""


class Reason(str, Enum):
    """Why a frame is worth a look."""

    LOST = "lost"
    FOUND = "found again"
    LOW_SCORE = "low score"
    AREA = "sudden change"
    JUMP = "jump"
    UNLIKE = "unlike itself"
    PASSED = "passed on"


class ObjectFacts(NamedTuple):
    """What is known of an object in a frame without its mask.

    Attributes:
        lost: whether it is lost.
        score: confidence in the mask, 0 to 1.
        area: number of pixels of the mask.
        box: (x0, y0, x1, y1) in pixels; ``None`` for an empty mask, or where it is not known.
        likeness: of its colours to those of its first frame, 0 to 1; ``None`` where not known.
        passed: by the id of another object, the share of its pixels in the frame before that
            belong to that one now, although the picture itself moved on with them.
    """

    lost: bool
    score: float
    area: int
    box: Box | None = None
    likeness: float | None = None
    passed: Mapping[int, float] = {}


@dataclass(frozen=True)
class Finding:
    """A frame worth a look.

    Attributes:
        frame: its index.
        object_id: of the object.
        reason: why.
        value: the score, the change of the area as a share of the larger one, the step in sizes of
            the object, the likeness, or the share that passed on.
        urgency: 0 to 1, by which findings are sorted.
        limit: what the value is compared with; 0 where nothing is.
        since: index of the frame to compare this one with.
        other: id of the object that parts passed to; ``None`` for other reasons.
    """

    frame: int
    object_id: int
    reason: Reason
    value: float
    urgency: float
    limit: float = 0.0
    since: int = 0
    other: int | None = None

    @property
    def text(self) -> str:
        """What was found and from where on it counts, as a sentence without its end."""
        share, limit = f"{self.value:.0%}", f"{self.limit:.0%}"
        return {
            Reason.LOST: f"lost from here on; its score was {self.value:.2f}",
            Reason.FOUND: f"found again with a score of {self.value:.2f}, lost since {self.since}",
            Reason.LOW_SCORE: f"score {self.value:.2f}, below {self.limit:.2f} "
            f"({LOW_SCORE:.0%} of its median)",
            Reason.AREA: f"area changed by {share} since {self.since}, more than {limit}",
            Reason.JUMP: f"moved by {self.value:.2f} of its size since {self.since}, more than "
            f"{self.limit:.2f} ({USUAL_STEPS:.0f} of its usual steps, {JUMP} at least)",
            Reason.UNLIKE: f"colours {share} like those of its first frame, below {limit} "
            f"({UNLIKE:.0%} of what they mostly are)",
            Reason.PASSED: f"{share} of it passed to object {self.other} since {self.since}, "
            f"more than {limit}: they may have swapped",
        }[self.reason]


def frames_to_look_at(
    frames: Mapping[int, Mapping[int, ObjectFacts]],
    *,
    stride: int = 1,
    leave_out: Collection[int] = (),
    most: int = _MOST,
) -> list[Finding]:
    """Return the frames that most need review, the most urgent first.

    Only the first frame of a lost period counts, as the rest is as lost. Of neighbours with the
    same fault the worst is named.

    Args:
        frames: what is known of the objects, by id, for each frame in order of its index. What is
            compared over time is only so between frames that follow one another.
        stride: distance between frames that follow one another.
        leave_out: frames that were accepted or marked by hand.
        most: so many findings at most.

    Examples:
        >>> facts = [ObjectFacts(False, 0.9, area) for area in (100, 101, 40)]
        >>> (found,) = frames_to_look_at({i: {1: known} for i, known in enumerate(facts)})
        >>> found.frame, found.object_id, found.text
        (2, 1, 'area changed by 60% since 1, more than 35%')
    """
    found: list[Finding] = []
    for object_id in sorted({i for known in frames.values() for i in known}):
        steps = [(index, known[object_id]) for index, known in frames.items() if object_id in known]
        for finder in (_losses, _low_scores, _changes, _jumps, _unlike, _passed):
            found += finder(object_id, steps, stride)
    found.sort(key=lambda finding: (-finding.urgency, finding.frame))
    kept: list[Finding] = []
    for finding in found:
        if finding.frame not in leave_out and not any(_same(finding, other) for other in kept):
            kept.append(finding)
    return kept[:most]


_Steps = Sequence[tuple[int, ObjectFacts]]


def _losses(object_id: int, steps: _Steps, stride: int) -> Iterator[Finding]:
    lost_at: int | None = None
    for index, facts in steps:
        if facts.lost and lost_at is None:
            lost_at = index
            before = index - stride
            yield Finding(index, object_id, Reason.LOST, facts.score, 1.0, since=before)
        elif not facts.lost and lost_at is not None:
            yield Finding(index, object_id, Reason.FOUND, facts.score, 0.6, since=lost_at)
            lost_at = None


def _low_scores(object_id: int, steps: _Steps, stride: int) -> Iterator[Finding]:
    scores = [facts.score for _, facts in steps if not facts.lost]
    limit = LOW_SCORE * median(scores) if scores else 0.0
    for index, facts in steps:
        if not facts.lost and facts.score < limit:
            urgency = 0.9 * (1 - facts.score / limit)
            yield Finding(
                index, object_id, Reason.LOW_SCORE, facts.score, urgency, limit, steps[0][0]
            )


def _changes(object_id: int, steps: _Steps, stride: int) -> Iterator[Finding]:
    for (before, old), (index, new) in _followed(steps, stride):
        change = abs(new.area - old.area) / max(new.area, old.area, 1)
        if change > SUDDEN_CHANGE:
            yield Finding(
                index, object_id, Reason.AREA, change, 0.8 * change, SUDDEN_CHANGE, before
            )


def _jumps(object_id: int, steps: _Steps, stride: int) -> Iterator[Finding]:
    moved = [
        (before, index, _distance(old.box, new.box) / old.area**0.5)
        for (before, old), (index, new) in _followed(steps, stride)
        if old.box is not None and new.box is not None and old.area
    ]
    usual = median(step for _, _, step in moved) if moved else 0.0
    limit = max(JUMP, USUAL_STEPS * usual)
    for before, index, step in moved:
        if step > limit:
            urgency = 0.8 * (1 - limit / step)
            yield Finding(index, object_id, Reason.JUMP, step, urgency, limit, before)


def _unlike(object_id: int, steps: _Steps, stride: int) -> Iterator[Finding]:
    known = [
        (index, facts.likeness)
        for index, facts in steps
        if facts.likeness is not None and not facts.lost
    ]
    if len(known) < 2:
        return
    # the upper quarter: an object that strayed early is unlike itself in most of its frames
    limit = UNLIKE * quantiles((likeness for _, likeness in known), n=4)[2]
    for index, likeness in known:
        if likeness < limit:
            urgency = 0.9 * (1 - likeness / limit)
            yield Finding(index, object_id, Reason.UNLIKE, likeness, urgency, limit, known[0][0])


def _passed(object_id: int, steps: _Steps, stride: int) -> Iterator[Finding]:
    for other in sorted({i for _, facts in steps for i in facts.passed}):
        shares = [facts.passed.get(other, 0.0) for _, facts in steps]
        for place, (index, _) in enumerate(steps):
            begin = max(0, place - PASSING)
            total = sum(shares[begin + 1 : place + 1])
            if total > PASSED:
                share = min(total, 1.0)
                yield Finding(
                    index, object_id, Reason.PASSED, share, share, PASSED, steps[begin][0], other
                )


def _followed(
    steps: _Steps, stride: int
) -> Iterator[tuple[tuple[int, ObjectFacts], tuple[int, ObjectFacts]]]:
    """Give frames that follow one another and show the object, two at a time."""
    for one, other in pairwise(steps):
        if other[0] - one[0] == stride and not one[1].lost and not other[1].lost:
            yield one, other


def _distance(one: Box, other: Box) -> float:
    (x0, y0), (x1, y1) = centre(one), centre(other)
    return float(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)


def _same(one: Finding, other: Finding) -> bool:
    alike = (one.object_id, one.reason, one.other) == (other.object_id, other.reason, other.other)
    apart = PASSING if one.reason is Reason.PASSED else _APART
    return alike and abs(one.frame - other.frame) <= apart
