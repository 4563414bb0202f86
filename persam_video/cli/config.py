"""``persam-video config``: which settings a run would have, and what they mean."""

import typer

from persam_video.cli.options import (
    ConfigOption,
    Method,
    MethodOption,
    SetOption,
    preset_of,
    resolve_settings,
)
from persam_video.config_text import preset_titles, settings_text

config = typer.Typer(help="List presets, and show settings with their meaning.")


@config.command()
def show(
    method: MethodOption = Method.PERSAM,
    preset: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Print every setting of a run as YAML, which --config takes.

    Examples:

    persam-video config show --set prior.alpha=0.3 > mine.yaml

    persam-video track clip.mp4 --mask first.png --out result --config mine.yaml
    """
    settings = resolve_settings(method, preset, assignments)
    typer.echo(settings_text(settings, preset_of(method, preset)), nl=False)


@config.command(name="list")
def list_presets() -> None:
    """List the presets."""
    titles = preset_titles()
    width = max(map(len, titles))
    for name, title in titles.items():
        typer.echo(f"{name:<{width}}  {title}")
