"""Objects named by boxes and points instead of a painted mask."""

from persam_video.prompting.parse import parse_prompts
from persam_video.prompting.prompts import ObjectPrompts
from persam_video.prompting.segment import annotate

__all__ = ["ObjectPrompts", "annotate", "parse_prompts"]
