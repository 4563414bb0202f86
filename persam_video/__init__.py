"""Track objects through a video from one annotated frame, with PerSAM and a temporal prior.

>>> import persam_video
>>> for result in persam_video.track("clip.mp4", "first.png"):  # doctest: +SKIP
...     print(result.index, [(o.object_id, o.box) for o in result.objects])
"""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.config import Settings, load_settings
    from persam_video.davis.evaluation import evaluate
    from persam_video.errors import PersamVideoError
    from persam_video.images import segment
    from persam_video.masks import Annotation, read_annotation
    from persam_video.report.run_comparison import compare_runs
    from persam_video.report.run_report import report_run
    from persam_video.results import FrameResult, ObjectResult, ObjectState
    from persam_video.run import FrameRange, TrackOptions, track, track_to_folder
    from persam_video.run.export import export, render
    from persam_video.sam import load_sam
    from persam_video.tracking import Tracker
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
    "TrackOptions",
    "Tracker",
    "compare_runs",
    "evaluate",
    "export",
    "load_sam",
    "load_settings",
    "read_annotation",
    "render",
    "report_run",
    "segment",
    "track",
    "track_to_folder",
]

# torch takes seconds, and --help should not
__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.config": ("Settings", "load_settings"),
        "persam_video.davis.evaluation": ("evaluate",),
        "persam_video.errors": ("PersamVideoError",),
        "persam_video.images": ("segment",),
        "persam_video.masks": ("Annotation", "read_annotation"),
        "persam_video.report.run_comparison": ("compare_runs",),
        "persam_video.report.run_report": ("report_run",),
        "persam_video.results": ("FrameResult", "ObjectResult", "ObjectState"),
        "persam_video.run": ("FrameRange", "TrackOptions", "track", "track_to_folder"),
        "persam_video.run.export": ("export", "render"),
        "persam_video.sam": ("load_sam",),
        "persam_video.tracking": ("Tracker",),
        "persam_video.video": ("Frame", "FrameStream"),
    },
)


def __dir__() -> list[str]:
    return __all__
