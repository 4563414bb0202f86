"""Track objects through a video from one annotated frame, with PerSAM and a temporal prior.

>>> import persam_video
>>> for result in persam_video.track("clip.mp4", "first.png"):  # doctest: +SKIP
...     print(result.index, [(o.object_id, o.box) for o in result.objects])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from persam_video.config import Settings, load_settings
    from persam_video.errors import PersamVideoError
    from persam_video.masks import Annotation, read_annotation
    from persam_video.run import FrameRange, track, track_to_folder
    from persam_video.sam import load_sam
    from persam_video.tracking import FrameResult, ObjectResult, ObjectState, Tracker
    from persam_video.video import Frame, FrameStream

__all__ = [
    "Annotation",
    "Frame",
    "FrameRange",
    "FrameResult",
    "FrameStream",
    "ObjectResult",
    "ObjectState",
    "PersamVideoError",
    "Settings",
    "Tracker",
    "load_sam",
    "load_settings",
    "read_annotation",
    "track",
    "track_to_folder",
]

_HOMES = {
    "Annotation": "masks",
    "Frame": "video",
    "FrameRange": "run",
    "FrameResult": "tracking",
    "FrameStream": "video",
    "ObjectResult": "tracking",
    "ObjectState": "tracking",
    "PersamVideoError": "errors",
    "Settings": "config",
    "Tracker": "tracking",
    "load_sam": "sam",
    "load_settings": "config",
    "read_annotation": "masks",
    "track": "run",
    "track_to_folder": "run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch takes seconds, and --help should not."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
