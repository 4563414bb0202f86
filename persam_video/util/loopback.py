"""What keeps pages of this machine to the user who opened them.

A server on the loopback interface is within reach of every page that the user's browser shows.
"""

import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names of this machine to itself."""

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What every answer says to the browser, beside a policy for its content."""


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(24)


def host_name(host: str) -> str | None:
    """Return the name in a Host header, without the port; ``None`` if it has none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
