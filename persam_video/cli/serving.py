"""What commands that serve have in common."""

import socket
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import typer

from persam_video.cli.options import RUN
from persam_video.errors import ConfigError

_TRIES = 20


def host_option(consequence: str = "") -> Any:
    """Declare ``--host``; ``consequence`` says in its help what other machines can do then."""
    return typer.Option(
        "--host",
        help="Address to listen on. Any other than 127.0.0.1 lets other machines in"
        f"{consequence}, unencrypted.",
        rich_help_panel=RUN,
    )


def port_option(default: int) -> Any:
    """Declare ``--port``, which ``listen`` takes with the same default."""
    return typer.Option(
        "--port",
        min=0,
        max=65535,
        help="Port to listen on; by default the next free one.",
        show_default=str(default),
        rich_help_panel=RUN,
    )


def check_extra(what: str, extra: str, modules: Sequence[str]) -> None:
    """Refuse to serve without the libraries that it needs.

    Args:
        what: that is served.
        extra: that brings them.
        modules: names to import.

    Raises:
        ConfigError: one is not installed.
    """
    missing = [name for name in modules if not _has(name)]
    if missing:
        raise ConfigError(f"{what} needs {', '.join(missing)}: pip install 'persam-video[{extra}]'")


def listen(host: str, port: int | None, default: int) -> socket.socket:
    """Return a listening socket, on the wanted port or, without one, on the next that is free.

    Args:
        host: address or name.
        port: the wanted one.
        default: to begin with when there is no wanted one.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    wanted = range(default, default + _TRIES) if port is None else (port,)
    reason = ""
    for number in wanted:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
            # listen before the browser opens, so that it waits instead of being refused
            listening.listen(128)
        except OSError as error:
            listening.close()
            reason = error.strerror or str(error)
            continue
        return listening
    raise ConfigError(
        f"cannot listen on {host}:{wanted[0]} ({reason}): choose another with --port or --host"
    )


def address_of(host: str, listening: socket.socket) -> str:
    """Return the address under which a socket that listens on ``host`` is reached."""
    everywhere = ("0.0.0.0", "::")  # nosec B104
    shown = socket.gethostname() if host in everywhere else host
    bound = listening.getsockname()[1]
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{bound}"


def warn_of_others(host: str, secret: str, what: str) -> None:
    """Warn that other machines are let in.

    Args:
        host: that is listened on.
        secret: what lets someone in.
        what: that one can do then.
    """
    typer.echo(
        f"persam-video: warning: listening on {host}: every machine that reaches this one "
        f"and has the {secret} {what}; nothing is encrypted",
        err=True,
    )


def serve(app: Any, listening: socket.socket) -> None:
    """Serve an application until Ctrl-C."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listening])


def _has(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
