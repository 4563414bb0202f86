"""Objects named by boxes and points instead of a painted mask."""

from typing import TYPE_CHECKING

from persam_video.util.lazy import lazy_names

if TYPE_CHECKING:
    from persam_video.prompting.parse import parse_prompts
    from persam_video.prompting.prompts import ObjectPrompts
    from persam_video.prompting.segment import annotate

__all__ = ["ObjectPrompts", "annotate", "parse_prompts"]

__getattr__ = lazy_names(
    __name__,
    {
        "ObjectPrompts": "persam_video.prompting.prompts",
        "annotate": "persam_video.prompting.segment",
        "parse_prompts": "persam_video.prompting.parse",
    },
)
