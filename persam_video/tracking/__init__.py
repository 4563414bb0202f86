"""Tracking over time: temporal prior, per-object state, the tracker and a run over a video."""
