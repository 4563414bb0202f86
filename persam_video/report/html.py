"""Self-contained HTML pages, without scripts or external files."""

import json
from importlib.metadata import version
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined


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


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Flatten nested settings to dotted keys."""
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        else:
            # as YAML has it, not as Python
            text = json.dumps(value) if value is None or isinstance(value, bool) else value
            rows.append((f"{prefix}{key}", text))
    return rows
