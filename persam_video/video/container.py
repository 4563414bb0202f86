"""Opening files and network streams with FFmpeg."""

from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from persam_video.errors import SourceError
from persam_video.video.source import Location, SourceKind

# A playlist is a text file that names other files, so what a source may open in turn is limited
# to its own kind: a local file never reaches the network, a network stream never a local file.
_FILE_OPTIONS = {"protocol_whitelist": "file,crypto,data"}
_URL_OPTIONS = {
    "protocol_whitelist": "http,https,tcp,tls,udp,rtp,rtsp,crypto,data,httpproxy",
    "rtsp_transport": "tcp",  # the default, UDP, loses packets
}
_URL_TIMEOUTS = (15.0, 30.0)  # seconds to connect, and to wait for data

# Tags that are not UTF-8 must not make a video unreadable; from release 19, PyAV accepts them.
_ANY_TAGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)

# FFmpeg draws text files as a terminal would show them.
_NOT_VIDEO_FORMATS = {"tty"}


def open_container(location: Location) -> InputContainer:
    """Open a file or URL.

    Raises:
        SourceError: it cannot be opened, or is not a video.
    """
    is_url = location.kind is SourceKind.URL
    try:
        container: InputContainer = av.open(
            # The prefix keeps names such as "a:b.mp4" from being read as protocols.
            location.address if is_url else f"file:{location.address}",
            mode="r",
            # Not "options", which PyAV also hands to streams: before version 17 or so, it crashes
            # on containers whose streams come to light late, such as FLV.
            container_options=dict(_URL_OPTIONS if is_url else _FILE_OPTIONS),
            timeout=_URL_TIMEOUTS if is_url else None,
            **_ANY_TAGS,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(
            f"{location.name}: cannot be opened as a video ({reason(error)}); "
            + ("check the address" if is_url else "check that it is a complete video file")
        ) from error
    if container.format.name in _NOT_VIDEO_FORMATS:
        container.close()
        raise SourceError(f"{location.name}: a text file, not a video; give a video file")
    return container


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the main video stream.

    Raises:
        SourceError: no stream can be decoded; the picture on a music file's cover does
            not count.
    """
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or _is_cover(stream):
        kinds = {"cover picture" if _is_cover(s) else s.type for s in container.streams}
        found = ", ".join(sorted(kinds)) or "nothing"
        raise SourceError(f"{name}: has no video stream (found: {found}); give a video file")
    if stream.codec_context is None:
        raise SourceError(f"{name}: its video format is not supported; convert it to H.264")
    return stream


def is_live(container: InputContainer, location: Location) -> bool:
    """Return whether a network stream is live.

    RTSP is, and HTTP that announces neither a length in bytes nor a duration. Playlists (HLS)
    are not: FFmpeg fetches their segments as it needs them and skips expired ones.
    """
    if location.kind is not SourceKind.URL:
        return False
    if location.address.lower().startswith(("rtsp:", "rtsps:")):
        return True
    endless = container.size <= 0 and not container.duration
    return endless and container.format.name != "hls"


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def reason(error: Exception) -> str:
    """Return FFmpeg's or the system's message for an error, without the source's address."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error)
