"""Benchmarks of video object segmentation beside DAVIS, and what their servers want."""
