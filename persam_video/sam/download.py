"""Fetching published weight files: resumable, checked, in place only when whole."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from persam_video.atomic import output_error
from persam_video.errors import ModelError
from persam_video.sam.checkpoints import file_sha256
from persam_video.sam.registry import PublishedWeights

# GitHub sends on from its first name to its second
PUBLISHERS = ("dl.fbaipublicfiles.com", "github.com", "raw.githubusercontent.com")
"""Hosts that published files come from."""

_CHUNK = 1 << 18
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416
_MAY_PASS = (408, 425, 429)
"""Refusals that another attempt may get past, besides the server's own faults (5xx)."""


def download(
    weights: PublishedWeights,
    file: Path,
    *,
    url: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
) -> None:
    """Fetch a published file, unless it is there already.

    What has come lies beside ``file`` as ``<name>.part``. It is kept when the transfer breaks off,
    and the next attempt, or the next call, goes on from there. ``file`` appears, or is replaced,
    only when size and SHA-256 are those of the published one.

    Args:
        weights: what to fetch.
        file: where it goes; its folder is made.
        url: fetch the same file from this address, http or https, instead of the published one,
            which has to be https and on a host of :data:`PUBLISHERS`.
        on_progress: called with the bytes that are there and the bytes there will be.
        timeout: seconds of silence after which the connection counts as lost.
        attempts: how many in a row may bring nothing new.
        pause: seconds before the second of them; doubled before each further one.

    Raises:
        ModelError: the address is refused, the server has no such file or another one, or the
            connection failed time and again.
        OutputError: the file cannot be written.
    """
    source = _Source(url or weights.url, weights.size, timeout, listed_only=url is None)
    part = file.with_name(f"{file.name}.part")
    try:
        if not (file.is_file() and file_sha256(file) == weights.sha256):
            file.parent.mkdir(parents=True, exist_ok=True)
            _complete(part, source, on_progress, attempts, pause)
            if file_sha256(part) != weights.sha256:
                part.unlink()
                raise ModelError(
                    f"what {source.url} gave is not the published {weights.file_name} (its "
                    "SHA-256 differs) and was thrown away: try again, or give another --url"
                )
            part.replace(file)
    except OSError as error:
        raise output_error(file, error) from error
    on_progress(weights.size, weights.size)


class _TransferError(Exception):
    """A transfer ended early in a way that another attempt may mend."""


class _CheckedRedirects(HTTPRedirectHandler):
    """Follows redirects only to addresses that pass a check."""

    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        self._check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Source:
    """A file of known size at an address, read from any byte on."""

    def __init__(self, url: str, size: int, timeout: float, *, listed_only: bool) -> None:
        self.url = url
        self.size = size
        self._timeout = timeout
        self._listed_only = listed_only
        self._check_address(url)
        self._opener = build_opener(_CheckedRedirects(self._check_address))

    def fetch_rest(self, part: Path, on_progress: Callable[[int, int], None]) -> None:
        """Fetch what ``part`` lacks and append it.

        Raises:
            _TransferError: not all of it came.
            ModelError: the server has no such file, or another one.
        """
        done = _size(part)
        if done > self.size:
            done = 0
        if done == self.size:
            return
        with self._open(done, part) as response:
            if response.status != _PARTIAL_CONTENT:
                done = 0
            self._check_size(response, done)
            with part.open("ab" if done else "wb") as stream:
                on_progress(done, self.size)
                while chunk := self._read(response, min(_CHUNK, self.size - done)):
                    stream.write(chunk)
                    done += len(chunk)
                    on_progress(done, self.size)
        if done < self.size:
            raise _TransferError(f"it ended after {done} of {self.size} bytes")

    @contextmanager
    def _open(self, start: int, part: Path) -> Iterator[HTTPResponse]:
        request = Request(self.url, headers={"Range": f"bytes={start}-"} if start else {})
        try:
            response = self._opener.open(request, timeout=self._timeout)
        except HTTPError as error:
            error.close()
            if error.code == _RANGE_NOT_SATISFIABLE:
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in _MAY_PASS:
                raise ModelError(
                    f"{self.url} cannot be downloaded (HTTP {error.code} {error.reason}): "
                    "give another --url, or fetch the file by hand and pass --checkpoint"
                ) from error
            raise _TransferError(f"HTTP {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            raise _TransferError(_reason(error)) from error
        with response:
            yield response

    def _check_size(self, response: HTTPResponse, start: int) -> None:
        """Refuse a file of another size before its first byte is written."""
        if start:
            # Content-Range: bytes START-END/SIZE
            span, _, total = response.headers.get("Content-Range", "").partition("/")
            if not span.startswith(f"bytes {start}-"):
                raise ModelError(
                    f"{self.url} sends another part than the one asked for: give another --url"
                )
        else:
            total = response.headers.get("Content-Length", "*")
        if total.isdecimal() and int(total) != self.size:
            raise ModelError(
                f"{self.url} is another file: it has {total} bytes, the published one "
                f"{self.size}; give another --url, or fetch it by hand and pass --checkpoint"
            )

    @staticmethod
    def _read(response: HTTPResponse, count: int) -> bytes:
        """Read what has come, ``count`` bytes at most; nothing at the end."""
        try:
            return response.read1(count)
        except (OSError, HTTPException) as error:
            raise _TransferError(_reason(error)) from error

    def _check_address(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ModelError(f"{url} is not an address: give http:// or https://") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ModelError(f"{url} is not a web address: give one with http:// or https://")
        if self._listed_only and (parts.scheme != "https" or parts.hostname not in PUBLISHERS):
            raise ModelError(
                f"{url} is not https on a publisher's host ({', '.join(PUBLISHERS)}): "
                "pass it as --url if you trust it"
            )


def _complete(
    part: Path,
    source: _Source,
    on_progress: Callable[[int, int], None],
    attempts: int,
    pause: float,
) -> None:
    """Attempt until ``part`` is complete; one that gets further than all before starts anew."""
    furthest, failures = _size(part), 0
    while True:
        try:
            return source.fetch_rest(part, on_progress)
        except _TransferError as error:
            reached = _size(part)
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= attempts:
                raise ModelError(
                    f"{source.url} cannot be downloaded ({error}): check the connection and run "
                    "it again, it goes on where it stopped"
                ) from error
        time.sleep(pause * 2 ** (failures - 1))


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    return str(cause).replace("\n", " ") or type(cause).__name__
