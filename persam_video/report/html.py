"""Self-contained HTML pages, without scripts or external files."""

import json
from importlib.metadata import version
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from persam_video.util.nested import flatten


def rendered(template: str, **values: Any) -> str:
    """Render one of the package's templates."""
    environment = Environment(
        loader=PackageLoader("persam_video.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    environment.filters["flat"] = _flat
    return environment.get_template(template).render(version=version("persam-video"), **values)


def css_colour(colour: tuple[int, int, int]) -> str:
    """Return an RGB colour (0 to 255) as a CSS value."""
    return "rgb({}, {}, {})".format(*colour)


def _figure(value: float) -> str:
    """Format a figure with three decimals, or a dash if there is none."""
    return "–" if np.isnan(value) else f"{value:.3f}".replace("-", "−")


def _flat(values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Flatten nested settings to dotted keys, with values as YAML has them, not as Python."""
    return [
        (key, json.dumps(value) if value is None or isinstance(value, bool) else value)
        for key, value in flatten(values).items()
    ]
