"""``persam-video serve``: the package as a server for other tools."""

import os
from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import INPUT, RUN, ModelOptions, PresetOptions, written
from persam_video.cli.serving import (
    address_of,
    check_extra,
    host_option,
    listen,
    port_option,
    warn_of_others,
)
from persam_video.cli.serving import serve as serve_app

_DEFAULT_PORT = 9090

serve = typer.Typer(help="Serve masks and tracks to labelling tools.", no_args_is_help=True)


@serve.callback()
def _group() -> None:
    """Serve masks and tracks to labelling tools."""


@serve.command("label-studio")
@with_option_groups
def label_studio(
    *,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            help="Folder that Label Studio serves local files from (its "
            "LOCAL_FILES_DOCUMENT_ROOT); nothing outside of it is read.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    server: Annotated[
        str,
        typer.Option(
            "--label-studio",
            metavar="URL",
            help="Address of Label Studio, from which uploaded files are fetched with the access "
            "token in LABEL_STUDIO_API_KEY.",
            rich_help_panel=INPUT,
        ),
    ] = "http://localhost:8080",
    upload_limit: Annotated[
        int,
        typer.Option(
            "--upload-limit", min=1, help="Largest file to fetch, in MiB.", rich_help_panel=INPUT
        ),
    ] = 4096,
    out: Annotated[
        Path | None,
        written(
            "Folder of the sessions and fetched files.", show_default="persam-video-label-studio"
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds",
            min=1,
            help="Time that a request may track; Label Studio waits for 100 seconds.",
            rich_help_panel=RUN,
        ),
    ] = 60.0,
    host: Annotated[str, host_option()] = "127.0.0.1",
    port: Annotated[int | None, port_option(_DEFAULT_PORT)] = None,
    preset: PresetOptions,
    model: ModelOptions,
) -> None:
    """Be the model of Label Studio: clicks become masks, boxes in videos are tracked.

    Add the printed address in a project's settings under Model, with the printed user and password
    as basic authentication.

    Examples:

    persam-video serve label-studio --root ~/videos

    LABEL_STUDIO_API_KEY=… persam-video serve label-studio
    """
    check_extra("the backend", "studio", ("starlette", "uvicorn"))
    from persam_video.plugins.label_studio.backend import Backend
    from persam_video.plugins.label_studio.media import Media
    from persam_video.plugins.label_studio.server import USER, make_app
    from persam_video.studio.security import kept_token
    from persam_video.util.atomic import make_folder
    from persam_video.util.loopback import LOOPBACK

    settings = preset.settings(model)
    folder = make_folder(out or Path("persam-video-label-studio"))
    key = os.environ.get("LABEL_STUDIO_API_KEY")
    media = Media(root, folder / "files", server, key, upload_limit * 2**20)
    backend = Backend(media, folder / "sessions", settings, seconds=seconds)
    password = os.environ.get("PERSAM_VIDEO_PASSWORD") or kept_token(folder)
    listening = listen(host, port, _DEFAULT_PORT)
    if host not in LOOPBACK:
        warn_of_others(host, "password", "can see what the root holds")
    typer.echo(f"label-studio: {address_of(host, listening)}")
    typer.echo(f"user: {USER}, password: {password}")
    typer.echo("press Ctrl-C to stop")
    backend.warm_up()
    serve_app(make_app(backend, password), listening)
