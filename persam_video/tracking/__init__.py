"""Tracking over time: temporal prior, per-object state and the tracker."""

from persam_video.results import FrameResult, ObjectResult, ObjectState
from persam_video.tracking.ahead import encoding_ahead
from persam_video.tracking.tracker import Tracker

__all__ = ["FrameResult", "ObjectResult", "ObjectState", "Tracker", "encoding_ahead"]
