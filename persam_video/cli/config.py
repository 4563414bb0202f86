"""``persam-video config``: which settings a run would have, and what they mean."""

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import PresetOptions
from persam_video.config_text import preset_titles, settings_text

config = typer.Typer(help="List presets, and show settings with their meaning.")


@config.command()
@with_option_groups
def show(preset: PresetOptions) -> None:
    """Print every setting of a run as YAML, which --config takes.

    Examples:

    persam-video config show --set prior.alpha=0.3 > mine.yaml

    persam-video track clip.mp4 --mask first.png --out result --config mine.yaml
    """
    typer.echo(settings_text(preset.settings(), preset.preset), nl=False)


@config.command(name="list")
def list_presets() -> None:
    """List the presets."""
    titles = preset_titles()
    width = max(map(len, titles))
    for name, title in titles.items():
        typer.echo(f"{name:<{width}}  {title}")
