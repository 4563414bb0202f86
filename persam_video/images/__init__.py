"""One-shot segmentation of single images."""

from persam_video.images.folder import (
    ImageOutputs,
    ReferenceFiles,
    SegmentedImage,
    segment_to_folder,
)
from persam_video.images.one_shot import OneShotSegmenter, Reference, Search, Segment

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
