"""Download published weight files."""

from collections.abc import Callable
from pathlib import Path

from persam_video.errors import DownloadError, ModelError
from persam_video.sam.registry import PublishedWeights
from persam_video.util.download import RemoteFile, download_file

HUB_FILE = "model.safetensors"
"""Name of the weight file in a folder or a repository of Hugging Face's."""


def cache_folder() -> Path:
    """Return the folder for downloaded weights; it need not exist yet."""
    # imported late: torch takes seconds, and listing models does not need it
    from torch import hub  # noqa: PLC0415

    return Path(hub.get_dir()) / "checkpoints"


def cached_path(weights: PublishedWeights) -> Path:
    """Return the path of a published file in the cache, downloaded or not."""
    return cache_folder() / weights.file_name


def embedded_path() -> Path:
    """Return the weight file of the embedded model, which ships with the package."""
    return Path(__file__).parent / "weights" / "lite.safetensors"


def hub_path(repository: str) -> Path | None:
    """Return the weight file of a repository in Hugging Face's cache; ``None`` without one."""
    try:
        # comes with transformers, which the models of the hub need
        from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415
    except ImportError:
        return None
    found = try_to_load_from_cache(repository, HUB_FILE)
    return Path(found) if isinstance(found, str) else None


# GitHub redirects from the first name to the second
PUBLISHERS = ("dl.fbaipublicfiles.com", "github.com", "raw.githubusercontent.com")
"""Hosts of published files."""


def download_weights(
    weights: PublishedWeights,
    file: Path,
    *,
    url: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
) -> None:
    """Download a published file unless it exists; an interrupted download is resumed.

    Args:
        weights: the file to download.
        file: destination; its folder is created.
        url: download the same file from this address (http or https) instead of the published one,
            which has to be https and on a host in ``PUBLISHERS``.
        on_progress: called with the bytes received and the total.
        timeout: seconds without data after which the connection counts as lost.
        attempts: how many in a row may fail without progress.
        pause: seconds before the second attempt; doubled before each further one.

    Raises:
        ModelError: the address is refused, the server lacks the file or has a different one, or
            the connection failed repeatedly.
        OutputError: the file cannot be written.
    """
    try:
        download_file(
            RemoteFile(url or weights.url, weights.size, weights.sha256),
            file,
            publishers=PUBLISHERS if url is None else None,
            otherwise="give another --url, or download the file by hand and pass --checkpoint",
            on_progress=lambda done, _: on_progress(done, weights.size),
            timeout=timeout,
            attempts=attempts,
            pause=pause,
        )
    except DownloadError as error:
        raise ModelError(str(error)) from error
