"""Tracking a source: as an iterator of results, or into a folder of outputs."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.run.annotations import Mask, Masks
    from persam_video.run.folder import track_to_folder
    from persam_video.run.frames import FrameRange
    from persam_video.run.iterate import track
    from persam_video.run.options import FolderOptions, TrackOptions
    from persam_video.run.outputs import OutputPaths
    from persam_video.run.progress import Progress
    from persam_video.sam.build import load_model

__all__ = [
    "FolderOptions",
    "FrameRange",
    "Mask",
    "Masks",
    "OutputPaths",
    "Progress",
    "TrackOptions",
    "load_model",
    "track",
    "track_to_folder",
]

__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.run.annotations": ("Mask", "Masks"),
        "persam_video.run.folder": ("track_to_folder",),
        "persam_video.run.frames": ("FrameRange",),
        "persam_video.run.iterate": ("track",),
        "persam_video.run.options": ("FolderOptions", "TrackOptions"),
        "persam_video.run.outputs": ("OutputPaths",),
        "persam_video.run.progress": ("Progress",),
        "persam_video.sam.build": ("load_model",),
    },
)
