"""One-shot segmentation of single images."""

from persam_video.images.folder import (
    ImageOutputs,
    SegmentedImage,
    segment_to_folder,
)
from persam_video.images.one_shot import OneShotSegmenter, Reference, Search, Segment
from persam_video.images.reference_files import ReferenceFiles

__all__ = [
    "ImageOutputs",
    "OneShotSegmenter",
    "Reference",
    "ReferenceFiles",
    "Search",
    "Segment",
    "SegmentedImage",
    "segment_to_folder",
]
