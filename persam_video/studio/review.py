"""Which frames most need a look."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

from persam_video.studio.results import Line

LOW_SCORE = 0.75
"""Below this a mask is worth a look."""

SUDDEN_CHANGE = 0.35
"""An area that changes by more than this share from one frame to the next is worth one, too."""

_MOST = 50
_APART = 5
"""Of neighbours with the same fault, the worst within so many frames is named."""


@dataclass(frozen=True)
class Finding:
    """A frame worth a look.

    Attributes:
        frame: its index.
        object_id: of the object.
        reason: ``lost``, ``low score`` or ``sudden change``.
        value: the score, or the change of the area as a share of the larger one.
        urgency: 0 to 1, by which findings are sorted.
    """

    frame: int
    object_id: int
    reason: str
    value: float
    urgency: float


def findings(lines: Mapping[int, Line], leave_out: Collection[int] = ()) -> list[Finding]:
    """Return the frames that most need a look, the most pressing first.

    Only the first frame of a lost period counts, as the rest is as lost.

    Args:
        lines: summaries of the results, in order of frame.
        leave_out: frames that were accepted or marked by hand.
    """
    found: list[Finding] = []
    for (before, old), (frame, line) in pairwise([(-1, None), *lines.items()]):
        if line is None:
            continue
        for object_id, facts in line.objects.items():
            past = old.objects.get(object_id) if old is not None and before == frame - 1 else None
            if facts.lost:
                if past is None or not past.lost:
                    found.append(Finding(frame, object_id, "lost", facts.score, 1.0))
                continue
            if facts.score < LOW_SCORE:
                urgency = 0.9 * (1 - facts.score / LOW_SCORE)
                found.append(Finding(frame, object_id, "low score", facts.score, urgency))
            if past is not None and not past.lost and (largest := max(past.area, facts.area)):
                change = abs(facts.area - past.area) / largest
                if change > SUDDEN_CHANGE:
                    found.append(Finding(frame, object_id, "sudden change", change, 0.8 * change))
    found.sort(key=lambda finding: (-finding.urgency, finding.frame))
    kept: list[Finding] = []
    for finding in found:
        if finding.frame not in leave_out and not any(_same(finding, other) for other in kept):
            kept.append(finding)
    return kept[:_MOST]


def _same(one: Finding, other: Finding) -> bool:
    alike = (one.object_id, one.reason) == (other.object_id, other.reason)
    return alike and abs(one.frame - other.frame) <= _APART
