"""``persam-video config``: the presets, and every setting with its meaning."""

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import ModelOptions, PresetOptions
from persam_video.util.table import Table

config = typer.Typer(help="List presets, and print settings with their meaning.")


@config.command()
@with_option_groups
def show(preset: PresetOptions, model: ModelOptions) -> None:
    """Print all settings of a run as YAML for --config.

    Presets depend on the model: Meta's SAM starts from the published settings.

    Examples:

    persam-video config show --model vit_h

    persam-video config show --set prior.alpha=0.3 > mine.yaml

    persam-video track clip.mp4 --mask first.png --out result --config mine.yaml
    """
    from persam_video.config import settings_text

    typer.echo(settings_text(preset.settings(model)), nl=False)


@config.command(name="list")
def list_presets() -> None:
    """List the presets."""
    from persam_video.config import preset_titles

    typer.echo(Table("presets", ("name", "description"), tuple(preset_titles().items())).text())
