"""Where results go, one frame at a time: PNG masks, overlay video, JSON lines."""

from persam_video.sinks.base import Sink
from persam_video.sinks.mask_png import MaskPngSink
from persam_video.sinks.threaded import ThreadedSink
from persam_video.sinks.tracks_jsonl import (
    FrameRecord,
    ObjectRecord,
    TracksJsonlSink,
    read_tracks,
)
from persam_video.util.run_record import (
    ModelRecord,
    RunRecord,
    RunStatus,
    installed_versions,
    read_run,
    recording,
    write_run,
)

__all__ = [
    "FrameRecord",
    "MaskPngSink",
    "ModelRecord",
    "ObjectRecord",
    "RunRecord",
    "RunStatus",
    "Sink",
    "ThreadedSink",
    "TracksJsonlSink",
    "installed_versions",
    "read_run",
    "read_tracks",
    "recording",
    "write_run",
]
