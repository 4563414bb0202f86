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
        "FolderOptions": "persam_video.run.options",
        "FrameRange": "persam_video.run.frames",
        "Mask": "persam_video.run.annotations",
        "Masks": "persam_video.run.annotations",
        "OutputPaths": "persam_video.run.outputs",
        "Progress": "persam_video.run.progress",
        "TrackOptions": "persam_video.run.options",
        "load_model": "persam_video.sam.build",
        "track": "persam_video.run.iterate",
        "track_to_folder": "persam_video.run.folder",
    },
)
