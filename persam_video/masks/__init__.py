"""Annotations and label maps: reading, writing, boxes, run-length codes, components."""

from persam_video.masks.annotation import Annotation, load_annotation, read_annotation
from persam_video.masks.boxes import Box, box_of, boxes_of_labels
from persam_video.masks.components import (
    fill_holes,
    keep_large,
    keep_largest,
    keep_nearest,
    remove_specks,
)
from persam_video.masks.labels import areas_of_labels, label_map, merge_logits, one_hot
from persam_video.masks.palette import colour_of, davis_palette
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.masks.rle import Rle, decode, encode, encode_labels

__all__ = [
    "Annotation",
    "Box",
    "Rle",
    "areas_of_labels",
    "box_of",
    "boxes_of_labels",
    "colour_of",
    "davis_palette",
    "decode",
    "encode",
    "encode_labels",
    "fill_holes",
    "keep_large",
    "keep_largest",
    "keep_nearest",
    "label_map",
    "load_annotation",
    "merge_logits",
    "one_hot",
    "read_annotation",
    "read_label_png",
    "remove_specks",
    "write_label_png",
]
