"""Curves beside each other as SVG."""

from collections.abc import Sequence

SIDE, GAP = 240, 64

Panel = tuple[str, Sequence[tuple[str, float]], Sequence[float]]
"""A title, labelled values in their order, and what a model says of them (or nothing)."""


def plot(panels: Sequence[Panel], caption: str) -> str:
    """Draw a panel for each curve; the labels are evenly spaced and each axis begins at 0."""
    width, height = len(panels) * (SIDE + GAP) + GAP, SIDE + 2 * GAP + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, values, modelled) in enumerate(panels):
        left, top = GAP + number * (SIDE + GAP), GAP
        highest = 1.1 * max([value for _, value in values] + [*modelled])
        step = SIDE / max(len(values) - 1, 1)

        def place(
            index: int,
            value: float,
            left: int = left,
            step: float = step,
            highest: float = highest,
        ) -> tuple[float, float]:
            return left + step * index, GAP + SIDE * (1 - value / highest)

        parts += [
            f'<text x="{left}" y="{top - 10}">{title}</text>',
            f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="none" '
            'stroke="#bbb"/>',
            _line([place(i, value) for i, (_, value) in enumerate(values)], "#26c"),
        ]
        if modelled:
            places = [place(i, value) for i, value in enumerate(modelled)]
            parts.append(_line(places, "#999", ' stroke-dasharray="4 3"'))
        for index, (label, value) in enumerate(values):
            x, y = place(index, value)
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#26c"/>',
                f'<text x="{x:.1f}" y="{y - 7:.1f}" text-anchor="middle">{value:.2g}</text>',
                f'<text x="{x:.1f}" y="{top + SIDE + 16}" text-anchor="middle">{label}</text>',
            ]
    parts.append(f'<text x="{GAP}" y="{height - 20}">{caption}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _line(places: Sequence[tuple[float, float]], colour: str, more: str = "") -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"{more}/>'
