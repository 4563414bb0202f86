"""``persam-video studio``: mark, track and correct objects in the browser."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from persam_video.cli.browser import BrowserOption, open_soon
from persam_video.cli.groups import with_option_groups
from persam_video.cli.options import INPUT, ModelOptions, PresetOptions, written
from persam_video.cli.serving import (
    address_of,
    check_extra,
    host_option,
    listen,
    port_option,
    serve,
    warn_of_others,
)
from persam_video.errors import ConfigError

_DEFAULT_PORT = 8765


@with_option_groups
def studio(
    *,
    video: Annotated[
        str | None,
        typer.Argument(
            metavar="[VIDEO|SESSION]",
            help="Video, folder of images, or folder of an earlier session or of a run of track.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            help="Folder whose videos the page may open; nothing outside of it.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        written(
            "Folder of the session; without VIDEO, the folder for sessions and uploads.",
            show_default="persam-video-studio",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="[FRAME=]FILE[#NAME]",
            help="Annotation to begin with: of the first frame, or of frame N with N=FILE, as "
            "track takes it. Repeatable.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    upload_limit: Annotated[
        int,
        typer.Option(
            "--upload-limit", min=1, help="Largest upload, in MiB.", rich_help_panel=INPUT
        ),
    ] = 4096,
    host: Annotated[str, host_option(": whoever has the token can see your videos")] = "127.0.0.1",
    port: Annotated[int | None, port_option(_DEFAULT_PORT)] = None,
    browser: BrowserOption = True,
    preset: PresetOptions,
    model: ModelOptions,
) -> None:
    """Mark objects in a video, track them and correct the result in your browser.

    Every edit and every tracked frame is saved to the session's folder at once.

    Examples:

    persam-video studio clip.mp4 --out session

    persam-video studio clip.mp4 --mask first.png --out session

    persam-video studio session

    persam-video studio result

    persam-video studio --root ~/videos
    """
    check_extra("the studio", "studio", ("starlette", "uvicorn", "python_multipart"))
    from persam_video.run.annotations import parse_masks
    from persam_video.studio.opening import holds_session
    from persam_video.studio.security import AllowedHosts, kept_token
    from persam_video.studio.server import make_app
    from persam_video.studio.studio import Studio
    from persam_video.util.loopback import LOOPBACK, new_token
    from persam_video.util.machine import settle_memory

    settle_memory()
    settings = preset.settings(model)
    is_session = video is not None and holds_session(video)
    if is_session and out is not None:
        raise ConfigError(
            f"{video} holds a session or a run, which continues there: leave out --out"
        )
    masks = parse_masks(mask or [])
    if masks and (video is None or is_session):
        raise ConfigError("--mask starts a session: give a video that has none yet, too")
    base = out or Path("persam-video-studio")
    if video is not None and is_session:
        base = Path(video)
    with_sessions = base if video is None or (out is None and not is_session) else base / "more"
    opened = Studio(with_sessions, settings, root=root, upload_limit=upload_limit * 2**20)
    try:
        if video is not None:
            folder = base if is_session or out is not None else base / (Path(video).stem or "video")
            opened.open_named(None if is_session else video, folder, masks)
        given = os.environ.get("PERSAM_STUDIO_TOKEN")
        # keeping the token lets an open tab continue; one that other machines know should expire
        token = given or (kept_token(base) if host in LOOPBACK else new_token())
        listening = listen(host, port, _DEFAULT_PORT)
        address = f"{address_of(host, listening)}/?token={token}"
        if host not in LOOPBACK:
            warn_of_others(host, "token", "can see and change what the studio can")
        typer.echo(f"studio: {address}")
        typer.echo("press Ctrl-C to stop")
        opened.warm_up()
        if browser:
            open_soon(address)
        app = make_app(opened, token, AllowedHosts.of(host, [socket.gethostname()]))
        serve(app, listening)
    finally:
        opened.close()
