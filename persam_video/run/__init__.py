"""From a source and its annotations to results, as an iterator or as a folder of outputs."""

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
