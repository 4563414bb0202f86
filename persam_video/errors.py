"""Errors that a user can act on.

Every error that comes from what a user gave (a path, an annotation, a setting, a model file) is a
``PersamVideoError``. Its message is one line that says what was found and what to do about it;
the command line prints that line and exits with status 2, without a traceback.
"""


class PersamVideoError(Exception):
    """Base of all errors that a user can act on."""


class SourceError(PersamVideoError):
    """A video, folder, glob, camera or URL cannot be read."""


class AnnotationError(PersamVideoError):
    """A mask file cannot be used as an annotation."""


class ModelError(PersamVideoError):
    """A model name, checkpoint, device or precision cannot be used."""


class DownloadError(PersamVideoError):
    """A published file cannot be fetched, or is not what it should be."""


class ConfigError(PersamVideoError):
    """A setting is unknown or out of range."""


class OutputError(PersamVideoError):
    """An output cannot be written where it was asked for."""


class DatasetError(PersamVideoError):
    """A dataset folder or a folder of results is not in the expected layout."""
