"""Annotations and label maps: reading, writing, boxes, run-length codes, components."""

from persam_video.masks.annotation import Annotation
from persam_video.masks.arrays import label_array, mask_array
from persam_video.masks.boxes import Box, box_of, boxes_of_labels
from persam_video.masks.components import (
    keep_large,
    keep_nearest,
)
from persam_video.masks.labels import areas_of_labels, label_map, merge_logits, one_hot
from persam_video.masks.palette import davis_palette
from persam_video.masks.png import read_label_png, write_label_png
from persam_video.masks.reading import MaskFile, load_annotation, read_annotation
from persam_video.masks.rle import Rle, decode, encode, encode_labels

__all__ = [
    "Annotation",
    "Box",
    "MaskFile",
    "Rle",
    "areas_of_labels",
    "box_of",
    "boxes_of_labels",
    "davis_palette",
    "decode",
    "encode",
    "encode_labels",
    "keep_large",
    "keep_nearest",
    "label_array",
    "label_map",
    "load_annotation",
    "mask_array",
    "merge_logits",
    "one_hot",
    "read_annotation",
    "read_label_png",
    "write_label_png",
]
