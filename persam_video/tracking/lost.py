"""Lost and found: decide which masks of a frame to trust."""

from collections.abc import Sequence

from persam_video.config.settings import LostSettings
from persam_video.tracking.objects import TrackedObject
from persam_video.tracking.segmenter import Candidate


def believe(
    objects: Sequence[TrackedObject], candidates: Sequence[Candidate], lost: LostSettings
) -> list[bool]:
    """Decide which candidates are good, for tracked objects and for lost ones that reappear.

    Args:
        objects: N objects; updates the streaks of lost ones.
        candidates: the model's prediction for each in this frame.
        lost: thresholds for losing and finding objects.

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
