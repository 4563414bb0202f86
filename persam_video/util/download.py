"""Downloading published files: resumable, verified, and in place only when complete."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from persam_video.errors import DownloadError
from persam_video.util.atomic import writing

_CHUNK = 1 << 18
_MOST_DIGITS = 18
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416
_MAY_PASS = (408, 425, 429)
"""Refusals that another attempt may get past, besides the server's own faults (5xx)."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        url: its address, http or https.
        size: in bytes, if known.
        sha256: hash of the file in hexadecimal, if known.
        most: largest size in bytes accepted from the server for a file of unknown size.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    most: int = 1 << 40


def download_file(
    remote: RemoteFile,
    file: Path,
    *,
    publishers: tuple[str, ...] | None,
    otherwise: str,
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
) -> None:
    """Download a published file, unless it exists already.

    Data received so far is in ``<name>.part`` beside ``file``. It is kept when a transfer fails,
    and the next attempt, or the next call, continues from there. ``file`` appears, or is replaced,
    only when its size and SHA-256 are those of the published one, as far as these are known; of a
    file with an unknown SHA-256 one that is there is left alone.

    Args:
        remote: the file to download.
        file: the destination; its folder is created.
        publishers: the address, and redirects from it, must be https on one of these hosts;
            ``None`` allows any web address.
        otherwise: advice for error messages when the download fails.
        on_progress: called with the bytes received and the total bytes, if known.
        timeout: seconds of silence after which the connection counts as lost.
        attempts: maximum number of consecutive attempts without progress.
        pause: seconds before the second attempt; doubled before each further one.

    Raises:
        DownloadError: the address is not allowed, the server lacks the file or has another, or the
            connection failed repeatedly.
        OutputError: the file cannot be written.
    """
    source = _Source(remote, publishers, otherwise, timeout)
    part = file.with_name(f"{file.name}.part")
    with writing(file):
        if not _is_there(remote, file):
            file.parent.mkdir(parents=True, exist_ok=True)
            _complete(part, source, on_progress, attempts, pause)
            if remote.sha256 not in (None, file_sha256(part)):
                part.unlink()
                raise DownloadError(
                    f"what {remote.url} gave is not the published file (its SHA-256 differs) "
                    "and was discarded: try again, or give another --url"
                )
            part.replace(file)
        size = _size(file)
    on_progress(size, size)


def check_address(
    url: str, publishers: tuple[str, ...] | None, *, sent_by: str | None = None
) -> None:
    """Check that downloading from an address is allowed.

    Args:
        url: the address.
        publishers: allowed hosts, as for ``download_file``.
        sent_by: the address that redirected to this one.

    Raises:
        DownloadError: it is not a web address, not https on one of the hosts, or redirected from
            https to http, where anybody on the way could substitute another file.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DownloadError(f"{url} is not an address: give http:// or https://") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DownloadError(f"{url} is not a web address: give one with http:// or https://")
    if publishers is not None and (parts.scheme != "https" or parts.hostname not in publishers):
        raise DownloadError(
            f"{url} is not https on a publisher's host ({', '.join(publishers)}): "
            "pass it as --url if you trust it"
        )
    if sent_by is not None and urlsplit(sent_by).scheme == "https" and parts.scheme != "https":
        raise DownloadError(
            f"{sent_by} redirects to {url}, which is not https: give the address of another server"
        )


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _is_there(remote: RemoteFile, file: Path) -> bool:
    if not file.is_file() or remote.size not in (None, _size(file)):
        return False
    return remote.sha256 is None or file_sha256(file) == remote.sha256


class _TransferError(Exception):
    """A transfer ended early, and another attempt may succeed."""


class _BeyondEndError(_TransferError):
    """The requested part starts at or beyond the end of the file."""


class _CheckedRedirects(HTTPRedirectHandler):
    """Follows redirects only to addresses that ``check_address`` allows."""

    def __init__(self, publishers: tuple[str, ...] | None) -> None:
        self._publishers = publishers

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        check_address(newurl, self._publishers, sent_by=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Source:
    """A file at an address, readable from any byte on.

    Attributes:
        size: size of the file; from the server, if not known beforehand.
    """

    def __init__(
        self,
        remote: RemoteFile,
        publishers: tuple[str, ...] | None,
        otherwise: str,
        timeout: float,
    ) -> None:
        self.url = remote.url
        self.size = remote.size
        self._most = remote.most
        self._otherwise = otherwise
        self._timeout = timeout
        check_address(remote.url, publishers)
        self._opener = build_opener(_CheckedRedirects(publishers))

    def fetch_rest(self, part: Path, on_progress: Callable[[int, int | None], None]) -> None:
        """Download what ``part`` lacks and append it.

        Raises:
            _TransferError: not all of it came.
            DownloadError: the server has no such file, or another one.
        """
        done = _size(part)
        if self.size is not None and done > self.size:
            done = 0
        if done == self.size:
            return
        try:
            response = self._request(done)
        except _BeyondEndError:
            if done != self.size:
                part.unlink(missing_ok=True)
                raise
            return
        with response:
            if response.status != _PARTIAL_CONTENT:
                done = 0
            self._check_size(response, done)
            end = self._most + 1 if self.size is None else self.size
            with part.open("ab" if done else "wb") as stream:
                on_progress(done, self.size)
                while chunk := self._read(response, max(0, min(_CHUNK, end - done))):
                    stream.write(chunk)
                    done += len(chunk)
                    on_progress(done, self.size)
        if self.size is None:
            self.size = done
            if done > self._most:
                part.unlink()
                raise self._too_large("has no end")
        if done < self.size:
            raise _TransferError(f"it ended after {done} of {self.size} bytes")

    def _request(self, start: int) -> HTTPResponse:
        request = Request(self.url, headers={"Range": f"bytes={start}-"} if start else {})
        try:
            response: HTTPResponse = self._opener.open(request, timeout=self._timeout)
        except HTTPError as error:
            error.close()
            problem = f"HTTP {error.code} {error.reason}"
            if error.code == _RANGE_NOT_SATISFIABLE:
                if self.size is None:
                    self.size = _told_size(error.headers, ranged=True)
                raise _BeyondEndError(problem) from error
            if error.code < 500 and error.code not in _MAY_PASS:
                raise DownloadError(
                    f"{self.url} cannot be downloaded ({problem}): {self._otherwise}"
                ) from error
            raise _TransferError(problem) from error
        except (OSError, HTTPException) as error:
            raise _TransferError(_reason(error)) from error
        return response

    def _check_size(self, response: HTTPResponse, start: int) -> None:
        """Reject a file of another size before its first byte is written."""
        if start:
            # Content-Range: bytes START-END/SIZE
            span = response.headers.get("Content-Range", "")
            if not span.startswith(f"bytes {start}-"):
                raise DownloadError(
                    f"{self.url} sent another part than was requested: give another --url"
                )
        told = _told_size(response.headers, ranged=start > 0)
        if told is None:
            return
        if self.size is None:
            if told > self._most:
                raise self._too_large(f"has {told} bytes")
            self.size = told
        elif told != self.size:
            raise DownloadError(
                f"{self.url} is another file: it has {told} bytes, the published one "
                f"{self.size}; {self._otherwise}"
            )

    def _too_large(self, found: str) -> DownloadError:
        return DownloadError(
            f"{self.url} is another file: it {found}, where there can be {self._most} "
            f"at most; {self._otherwise}"
        )

    @staticmethod
    def _read(response: HTTPResponse, count: int) -> bytes:
        """Read up to ``count`` bytes; nothing at the end."""
        try:
            return response.read1(count)
        except (OSError, HTTPException) as error:
            raise _TransferError(_reason(error)) from error


def _complete(
    part: Path,
    source: _Source,
    on_progress: Callable[[int, int | None], None],
    attempts: int,
    pause: float,
) -> None:
    """Retry until ``part`` is complete; an attempt that makes progress resets the count."""
    furthest, failures = _size(part), 0
    while True:
        try:
            return source.fetch_rest(part, on_progress)
        except _TransferError as error:
            reached = _size(part)
            failures = 1 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures >= attempts:
                raise DownloadError(
                    f"{source.url} cannot be downloaded ({error}): check the connection and run "
                    "it again, it continues where it stopped"
                ) from error
        time.sleep(pause * 2 ** (failures - 1))


def _told_size(headers: Message, *, ranged: bool) -> int | None:
    """Return the size of the whole file according to the headers of a response."""
    if ranged:
        told = headers.get("Content-Range", "").rpartition("/")[2]
    else:
        told = headers.get("Content-Length", "")
    # no file is longer than its number has digits here, and endless ones cannot be read at all
    return int(told) if told.isdecimal() and len(told) <= _MOST_DIGITS else None


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    return str(cause).replace("\n", " ") or type(cause).__name__
