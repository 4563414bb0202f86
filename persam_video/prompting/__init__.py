"""Annotating objects by boxes and points instead of a painted mask."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.prompting.parse import parse_prompts
    from persam_video.prompting.prompts import ObjectPrompts, Percent, prompt_warnings
    from persam_video.prompting.segment import annotate, encode_for_prompts

__all__ = [
    "ObjectPrompts",
    "Percent",
    "annotate",
    "encode_for_prompts",
    "parse_prompts",
    "prompt_warnings",
]

__getattr__ = lazy_names(
    __name__,
    {
        "persam_video.prompting.parse": ("parse_prompts",),
        "persam_video.prompting.prompts": ("ObjectPrompts", "Percent", "prompt_warnings"),
        "persam_video.prompting.segment": ("annotate", "encode_for_prompts"),
    },
)
