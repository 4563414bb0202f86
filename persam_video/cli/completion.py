"""Shell completion: the values that options take.

The shell waits for these, so they must not import torch.
"""

from typing import get_args


def models() -> list[str]:
    """Names of models."""
    from persam_video.sam.registry import MODELS

    return list(MODELS)


def downloads() -> list[str]:
    """Names of models whose weights are downloaded."""
    from persam_video.sam.registry import MODELS

    return [spec.name for spec in MODELS.values() if spec.weights is not None]


def devices() -> list[str]:
    """Kinds of device; a number may follow, as in cuda:1."""
    return ["auto", "cpu", "cuda", "mps"]


def precisions() -> list[str]:
    """Number formats."""
    from persam_video.config import ModelSettings

    return list(get_args(ModelSettings.model_fields["precision"].annotation))


def presets() -> list[str]:
    """Names of the presets that ship."""
    from persam_video.config import presets as shipped

    return list(shipped())


def assignments() -> list[str]:
    """Settings, ready for a value."""
    from persam_video.config import known_keys

    return [f"{key}=" for key in known_keys()]


def style_lists(incomplete: str) -> list[str]:
    """Lists of styles with one more style, or with a value to choose."""
    from persam_video.drawing.styles import STYLES

    begun, comma, _ = incomplete.rpartition(",")
    given = [text.partition("=")[0] for text in begun.split(",")]
    offered = [kind for kind in STYLES.values() if kind.name not in given]
    return [
        f"{begun}{comma}{text}"
        for kind in offered
        for text in (kind.name, *(f"{kind.name}={value}" for value in kind.examples))
    ]


def codecs() -> list[str]:
    """Codecs of an overlay."""
    from persam_video.video.formats import CODECS

    return [name for name, codec in CODECS.items() if not codec.alpha]


def outputs() -> list[str]:
    """Names of outputs."""
    from persam_video.sinks.outputs import Output

    return [output.value for output in Output]


def output_lists(incomplete: str) -> list[str]:
    """Lists of outputs with one more name."""
    begun, comma, _ = incomplete.rpartition(",")
    given = begun.split(",")
    return [f"{begun}{comma}{name}" for name in outputs() if name not in given]
