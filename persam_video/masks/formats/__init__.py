"""Annotations of other programs, with one module per format."""

from persam_video.masks.formats.annotated import AnnotationFile, MarkedFrame
from persam_video.masks.formats.detect import is_folder, is_picture, open_annotations

__all__ = ["AnnotationFile", "MarkedFrame", "is_folder", "is_picture", "open_annotations"]
