"""The video codecs and containers that can be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import av

_LARGEST_USUAL = 1920 * 1088
"""Pixels of 1080p, as it is coded."""


@dataclass(frozen=True)
class VideoCodec:
    """A codec and how to encode with it.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the pixel format to encode.
        quality: the encoder's scale of constant quality; ``None`` for one that has no such scale.
        options: further options of the encoder.
        large: those that replace them, or are added, for pictures larger than 1080p.
        tag: the codec's four-letter tag in MP4 and QuickTime files, where FFmpeg's own choice
            does not play everywhere.
        alpha: whether frames are written with their transparency.
        even_size: whether width and height must be even, as chroma is halved.
        suffixes: containers that can hold it, a subset of ``CONTAINERS``.
        keeps_aspect: whether the coded video itself stores the pixel aspect ratio.
    """

    encoder: str
    pixel_format: str
    quality: "QualityScale | None"
    options: Mapping[str, str] = field(default_factory=dict)
    large: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    alpha: bool = False
    even_size: bool = True
    suffixes: tuple[str, ...] = (".mp4", ".mov", ".mkv")
    keeps_aspect: bool = False

    def options_for(self, width: int, height: int) -> dict[str, str]:
        """Return the encoder's options for pictures of a size in pixels."""
        large = self.large if width * height > _LARGEST_USUAL else {}
        return {**self.options, **large}


@dataclass(frozen=True)
class QualityScale:
    """An encoder's setting of constant quality, lower being better.

    Attributes:
        default: the value used by default.
        greatest: the worst quality; 0 is the best.
        option: FFmpeg's name of the setting.
    """

    default: int
    greatest: int
    option: str = "crf"


@dataclass(frozen=True)
class VideoContainer:
    """A container and how to write it.

    Attributes:
        format: FFmpeg's name of the muxer.
        copied_audio: audio codecs that are copied as they are, because the container holds them
            and players (for MP4: browsers) play them in it. Others are re-encoded.
        audio_encoder: FFmpeg's name of the encoder for those.
        options: options of the muxer.
        keeps_aspect: whether it stores the pixel aspect ratio; for Matroska, PyAV cannot.
    """

    format: str
    copied_audio: frozenset[str]
    audio_encoder: str
    options: Mapping[str, str] = field(default_factory=dict)
    keeps_aspect: bool = False


@dataclass(frozen=True)
class ColourTags:
    """The colours of a video: the conversion from RGB to YUV, and the tags for players.

    Attributes:
        matrix: from RGB to YUV, as the scale filter calls it.
        tag: the number that H.273 gives to matrix, primaries and transfer alike.
    """

    matrix: str
    tag: int

    @classmethod
    def for_height(cls, height: int) -> "ColourTags":
        """Return BT.709 from 720 rows on, else BT.601.

        Players that ignore the tags assume the same.
        """
        return BT709 if height >= 720 else BT601


BT709 = ColourTags("bt709", 1)
BT601 = ColourTags("bt601", 6)

# 0 bits per second lets libvpx keep to the quality alone.
_VP9_OPTIONS = {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}

CODECS: Mapping[str, VideoCodec] = {
    "h264": VideoCodec(
        encoder="libx264",
        pixel_format="yuv420p",
        quality=QualityScale(default=20, greatest=51),
        # At the same likeness (38.7 dB of 480p, 39.2 of 1080p, drawn over frames that were not
        # compressed by x264 before) "fast" takes five times as long, and 100 MiB more at 1080p,
        # for files that are smaller by a quarter.
        options={"preset": "superfast", "bf": "0"},
        # The partitions and motion that "ultrafast" does not try pay at 480p, but not at 4K: with
        # the tools that cost little, it takes 0.6 of the time there, for files that are smaller by
        # a fifth, at 39.8 dB instead of 40.4. At 480p files of the same likeness would be larger
        # by a fifth.
        large={"preset": "ultrafast", "x264-params": "cabac=1:deblock=0,0:8x8dct=1"},
        keeps_aspect=True,
    ),
    "hevc": VideoCodec(
        encoder="libx265",
        pixel_format="yuv420p",
        quality=QualityScale(default=22, greatest=51),
        options={"preset": "fast", "x265-params": "log-level=error"},
        tag="hvc1",  # Apple's players take no other
        keeps_aspect=True,
    ),
    "av1": VideoCodec(
        encoder="libsvtav1",
        pixel_format="yuv420p",
        quality=QualityScale(default=28, greatest=63),
        options={"preset": "8"},
        suffixes=(".mp4", ".mkv", ".webm"),
    ),
    "vp9": VideoCodec(
        encoder="libvpx-vp9",
        pixel_format="yuv420p",
        quality=QualityScale(default=28, greatest=63),
        options=_VP9_OPTIONS,
        suffixes=(".mp4", ".mkv", ".webm"),
    ),
    "vp9-alpha": VideoCodec(
        encoder="libvpx-vp9",
        pixel_format="yuva420p",
        quality=QualityScale(default=24, greatest=63),
        # libvpx has no transparency in frames that are shown out of order
        options={**_VP9_OPTIONS, "auto-alt-ref": "0"},
        alpha=True,
        even_size=False,
        suffixes=(".webm", ".mkv"),
    ),
    "prores": VideoCodec(
        encoder="prores_ks",
        pixel_format="yuva444p10le",
        quality=None,
        options={"profile": "4444", "alpha_bits": "16", "vendor": "apl0"},
        alpha=True,
        even_size=False,
        suffixes=(".mov",),
    ),
}

_MP4_AUDIO = frozenset({"aac", "mp3", "flac", "opus"})
_FASTSTART = {"movflags": "+faststart"}  # the index comes first, so that playing starts at once

CONTAINERS: Mapping[str, VideoContainer] = {
    ".mp4": VideoContainer("mp4", _MP4_AUDIO, "aac", _FASTSTART, keeps_aspect=True),
    ".mov": VideoContainer(
        "mov", frozenset({"aac", "mp3", "alac", "ac3"}), "aac", _FASTSTART, keeps_aspect=True
    ),
    ".mkv": VideoContainer(
        "matroska", _MP4_AUDIO | {"ac3", "alac", "dts", "eac3", "pcm_s16le", "vorbis"}, "aac"
    ),
    ".webm": VideoContainer("webm", frozenset({"opus", "vorbis"}), "libopus"),
}


def has_encoder(name: str) -> bool:
    """Return whether the installed FFmpeg has an encoder of this name."""
    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True
