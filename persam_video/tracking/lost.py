"""Lost and found: which masks of a frame are believed."""

from collections.abc import Sequence

from persam_video.config.settings import LostSettings
from persam_video.tracking.objects import TrackedObject
from persam_video.tracking.segmenter import Candidate


def believe(
    objects: Sequence[TrackedObject], candidates: Sequence[Candidate], lost: LostSettings
) -> list[bool]:
    """Decide which candidates are good: of tracked objects, and of lost ones that are found again.

    Args:
        objects: N of them; the streaks of those that are lost are counted on.
        candidates: what the model says of each in this frame.
        lost: when an object is lost, and when it is found again.

    Returns:
        N decisions.
    """
    believed = []
    for o, candidate in zip(objects, candidates, strict=True):
        usual = o.usual_likeness(candidate.likeness)
        alike = not candidate.empty and candidate.likeness >= usual - lost.likeness_drop
        if o.tracked:
            good = alike and candidate.score >= lost.score
        else:
            seen = alike and candidate.score >= lost.found
            o.streak = o.streak + 1 if seen else 0
            good = o.streak >= lost.confirm
        believed.append(good)
    return believed
