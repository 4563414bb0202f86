"""The video codecs and containers that can be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import av
from av.video.reformatter import Colorspace


@dataclass(frozen=True)
class VideoCodec:
    """How to encode a kind of video.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the pixel format to encode.
        quality_option: the encoder's option for constant quality, lower being better.
        qualities: least and greatest value of that option.
        options: further options of the encoder.
        even_size: whether width and height must be even, as chroma is halved.
        suffixes: containers that can hold it, a subset of ``CONTAINERS``.
    """

    encoder: str
    pixel_format: str
    quality_option: str
    qualities: tuple[int, int]
    options: Mapping[str, str] = field(default_factory=dict)
    even_size: bool = True
    suffixes: tuple[str, ...] = (".mp4", ".mov", ".mkv")


@dataclass(frozen=True)
class VideoContainer:
    """How to write a kind of file.

    Attributes:
        format: FFmpeg's name of the muxer.
        copied_audio: audio codecs that are copied as they are, because the container holds them
            and players (for MP4: browsers) play them in it. Others are encoded anew.
        audio_encoder: FFmpeg's name of the encoder for those.
        options: options of the muxer.
    """

    format: str
    copied_audio: frozenset[str]
    audio_encoder: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ColourTags:
    """The colours of a video: how to turn RGB into YUV, and what to tell players about it.

    Attributes:
        matrix: from RGB to YUV.
        tag: the number that H.273 gives to matrix, primaries and transfer alike.
    """

    matrix: Colorspace
    tag: int

    @classmethod
    def for_height(cls, height: int) -> "ColourTags":
        """Return BT.709 from 720 rows on, else BT.601.

        That is what players which ignore the tags assume, so they are right as well.
        """
        return _BT709 if height >= 720 else _BT601


_BT709 = ColourTags(Colorspace.ITU709, 1)
_BT601 = ColourTags(Colorspace.ITU601, 6)

CODECS: Mapping[str, VideoCodec] = {
    "h264": VideoCodec(
        encoder="libx264",
        pixel_format="yuv420p",
        quality_option="crf",
        qualities=(0, 51),
        options={"preset": "fast"},
    ),
}

_MP4_AUDIO = frozenset({"aac", "mp3", "flac", "opus"})
_FASTSTART = {"movflags": "+faststart"}  # the index comes first, so that playing starts at once

CONTAINERS: Mapping[str, VideoContainer] = {
    ".mp4": VideoContainer("mp4", _MP4_AUDIO, "aac", _FASTSTART),
    ".mov": VideoContainer("mov", frozenset({"aac", "mp3", "alac", "ac3"}), "aac", _FASTSTART),
    ".mkv": VideoContainer(
        "matroska", _MP4_AUDIO | {"ac3", "alac", "dts", "eac3", "pcm_s16le", "vorbis"}, "aac"
    ),
}


def has_encoder(name: str) -> bool:
    """Return whether the installed FFmpeg has an encoder of this name."""
    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True
