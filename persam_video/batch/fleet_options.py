"""What a fleet is told, and tells, about a list of jobs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from persam_video.fleet.options import RayOptions

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FleetProgress:
    """The progress over all videos of a fleet.

    Attributes:
        done: videos that have ended, those of earlier runs included.
        total: all videos.
        share: of the work, 0 to 1: frames times pixels times objects, as far as known.
        frames: that this run has tracked.
    """

    done: int
    total: int
    share: float
    frames: int


@dataclass(frozen=True)
class FleetOptions:
    """A fleet, and what hears of it.

    Attributes:
        ray: its workers.
        on_progress: called with the progress over all videos.
        warn: called with a line for the user, such as that a worker is not used.
    """

    ray: RayOptions
    on_progress: Callable[[FleetProgress], None] = lambda progress: None
    warn: Callable[[str], None] = _log.warning
