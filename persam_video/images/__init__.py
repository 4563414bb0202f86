"""One-shot segmentation of single images."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.images.folder import (
        ImageOutputs,
        SegmentedImage,
        segment,
    )
    from persam_video.images.one_shot import OneShotSegmenter, Segment
    from persam_video.images.reference_files import Reference, ReferenceFiles
    from persam_video.images.search import Search

__all__ = [
    "ImageOutputs",
    "OneShotSegmenter",
    "Reference",
    "ReferenceFiles",
    "Search",
    "Segment",
    "SegmentedImage",
    "segment",
]

__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.images.folder": ("ImageOutputs", "SegmentedImage", "segment"),
        "persam_video.images.one_shot": ("OneShotSegmenter", "Segment"),
        "persam_video.images.reference_files": ("Reference", "ReferenceFiles"),
        "persam_video.images.search": ("Search",),
    },
)
