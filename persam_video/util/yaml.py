"""Reading untrusted YAML."""

from typing import Any

import yaml

_MOST_CHARACTERS = 1 << 20  # a hundred times the longest preset

# What building values from well-formed YAML raises besides its own errors: a day 99, an integer
# without digits, the tag of a number on a word, lists in lists without end.
_NOT_VALUES = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class _PlainLoader(yaml.SafeLoader):
    """A safe loader without aliases, by which a few lines can expand to billions of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"an alias (*{event.anchor}) is not allowed here", event.start_mark
            )
        return super().compose_node(parent, index)


def load_yaml(text: str) -> Any:
    """Return the plain values of a YAML text.

    Raises:
        ValueError: it is longer than a mebibyte, is not YAML, holds an alias, or has a value that
            cannot be what it claims to be; in one line.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"has {len(text)} characters where {_MOST_CHARACTERS} are the most")
    try:
        # the loader is a safe one
        return yaml.load(text, Loader=_PlainLoader)  # nosec B506
    except (yaml.YAMLError, *_NOT_VALUES) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(words) from error
