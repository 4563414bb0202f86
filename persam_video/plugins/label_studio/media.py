"""The files that tasks of Label Studio name: below the root, or uploaded to Label Studio."""

import hashlib
import json
from email.message import Message
from http.client import HTTPException, IncompleteRead
from pathlib import Path, PurePosixPath
from string import punctuation
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, quote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from persam_video.errors import ConfigError, DownloadError, SourceError
from persam_video.studio.security import contained
from persam_video.studio.studio import check_no_playlist
from persam_video.util.atomic import atomic_path, make_folder, writing

_LOCAL = "/data/local-files/"
_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds of silence


class _NoRedirects(HTTPRedirectHandler):
    """A redirect could lead anywhere, with the key in its headers."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


class Media:
    """Finds the files of tasks; addresses of other servers are never fetched.

    Args:
        root: the folder that Label Studio serves local files from; ``None`` where it serves none.
        folder: where what was fetched is kept.
        server: address of Label Studio.
        key: of its interface, either kind; ``None`` where nothing is to be fetched.
        most: bytes that a fetched file may have.

    Raises:
        ConfigError: the server is no web address.
    """

    def __init__(
        self, root: Path | None, folder: Path, server: str, key: str | None, most: int
    ) -> None:
        if urlsplit(server).scheme not in ("http", "https"):
            raise ConfigError(f"--label-studio {server}: give an address that begins with http://")
        self._root = root
        self._folder = folder
        self._server = server.rstrip("/") + "/"
        self._key = key
        self._most = most
        self._opener = build_opener(_NoRedirects)

    def find(self, address: Any) -> Path:
        """Return the file of an address in the data of a task.

        Raises:
            SourceError: it is no address that may be read, or there is no such file.
            DownloadError: it cannot be fetched.
        """
        if not isinstance(address, str) or not address:
            raise SourceError("the task has no address where its picture or video should be")
        try:
            # as browsers do; http.client takes ASCII only
            place = urlsplit(quote(urljoin(self._server, address), safe=punctuation))
        except ValueError as error:
            raise SourceError(f"{address[:200]}: is no web address ({error})") from error
        home = urlsplit(self._server)
        if (place.scheme, place.netloc) != (home.scheme, home.netloc):
            raise SourceError(
                f"{address[:200]}: is on another server; import it into Label Studio, or serve it "
                f"from a folder (--label-studio is {self._server})"
            )
        if place.path.startswith(_LOCAL):
            path = self._below_root(parse_qs(place.query).get("d", [""])[-1])
        else:
            path = self._fetched(place.geturl(), PurePosixPath(place.path).suffix)
        check_no_playlist(path)
        return path

    def _below_root(self, relative: str) -> Path:
        path = None
        if self._root is not None:
            path = contained(self._root, relative.lstrip("/"))
        if path is None or not path.is_file():
            raise SourceError(
                f"{relative[:200]}: there is no such file below the root; --root takes the folder "
                "that is LOCAL_FILES_DOCUMENT_ROOT for Label Studio"
            )
        return path

    def _fetched(self, url: str, suffix: str) -> Path:
        path = self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}{suffix[:8]}"
        if path.is_file():
            return path
        if self._key is None:
            raise SourceError(
                f"{urlsplit(url).path}: is uploaded to Label Studio; set LABEL_STUDIO_API_KEY to "
                "your access token, so that it can be fetched"
            )
        request = Request(url, headers={"Authorization": self._authorization(self._key)})
        make_folder(self._folder)
        with writing(path), atomic_path(path) as sibling, sibling.open("wb") as file:
            done = 0
            for chunk in self._read(request):
                done += len(chunk)
                if done > self._most:
                    raise DownloadError(
                        f"{urlsplit(url).path}: is larger than {self._most / 2**20:,.0f} MiB: "
                        "allow more with --upload-limit"
                    )
                file.write(chunk)
        return path

    def _authorization(self, key: str) -> str:
        """Return the header for a key: legacy tokens are sent, personal ones are exchanged."""
        if key.count(".") != 2:
            return f"Token {key}"
        request = Request(
            urljoin(self._server, "api/token/refresh"),
            json.dumps({"refresh": key}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            return f"Bearer {json.loads(b''.join(self._read(request)))['access']}"
        except (ValueError, LookupError, TypeError) as error:
            raise DownloadError(
                f"{self._server}: does not exchange the access token; make a new one"
            ) from error

    def _read(self, request: Request) -> Any:
        """Yield the bytes that Label Studio answers with.

        Raises:
            DownloadError: it refuses, or cannot be reached.
        """
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:  # nosec B310
                while chunk := response.read(_CHUNK):
                    yield chunk
                if response.length:  # still to come; Python does not tell who reads in pieces
                    raise IncompleteRead(b"", response.length)
        except HTTPError as error:
            raise DownloadError(
                f"{urlsplit(request.full_url).path}: Label Studio answers with status "
                f"{error.code}; check LABEL_STUDIO_API_KEY"
            ) from error
        except IncompleteRead as error:
            raise DownloadError(
                f"{urlsplit(request.full_url).path}: the connection ended before the file did; try "
                "again"
            ) from error
        except (URLError, OSError, HTTPException) as error:
            raise DownloadError(
                f"{self._server}: cannot be reached ({error}); check --label-studio"
            ) from error
