"""Short synthetic clips with exact ground truth, generated from a seed: for the demo and tests.

Examples:
    >>> from persam_video.synthetic import demo
    >>> rgb, labels = next(demo().frames())
    >>> rgb.shape, sorted(set(labels.ravel().tolist()))
    ((360, 640, 3), [0, 1, 2, 3])
"""

from persam_video.synthetic.bodies import Kind
from persam_video.synthetic.clip import SyntheticClip, SyntheticFiles, SyntheticObject, Waypoint
from persam_video.synthetic.presets import (
    come_and_go,
    crossing,
    demo,
    exit_and_return,
    late_entry,
    lookalike,
)

__all__ = [
    "Kind",
    "SyntheticClip",
    "SyntheticFiles",
    "SyntheticObject",
    "Waypoint",
    "come_and_go",
    "crossing",
    "demo",
    "exit_and_return",
    "late_entry",
    "lookalike",
]
