"""Benchmarks of video object segmentation other than DAVIS, and their submission formats."""
