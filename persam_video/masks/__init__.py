"""Annotations and label maps: reading, writing, boxes, run-length codes, components."""
