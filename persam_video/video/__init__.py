"""Frames in, frames out: reading any source one frame at a time, and writing finished videos."""
