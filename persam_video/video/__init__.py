"""Reading any source one frame at a time, and writing finished videos."""

from persam_video.video.frame import Frame
from persam_video.video.source import SourceInfo, SourceKind
from persam_video.video.stream import FrameStream
from persam_video.video.writer import VideoWriter

__all__ = ["Frame", "FrameStream", "SourceInfo", "SourceKind", "VideoWriter"]
