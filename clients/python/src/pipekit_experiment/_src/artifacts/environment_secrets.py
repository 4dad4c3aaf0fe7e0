"""Credentials in texts that are recorded: found, and taken out."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HIDDEN = "***"
# Not `max_tokens`, `tokenizer`, `author`, `bypass`.
_NAME = (
    r"(?:password|passwd|passphrase|secret|credential|signature|authorization|(?:api|access|private)[-_]?key"
    r"|token(?![a-z])|(?<![a-z])(?:pass|pwd|auth|sig)(?![a-z]))"
)
# `://user:password@` of any address, and all before the `@` of a web address, where it may be a token.
_IN_ADDRESS = re.compile(r"(?i)(https?://)[^/\s'\"]+(@)|(\w://[^/\s:@'\"]*:)[^/\s'\"]+(@)")
_IN_QUERY = re.compile(rf"(?i)([?&;][\w.-]*{_NAME}[\w.-]*=)[^&;\s'\"#]+")
_OPTION = re.compile(rf"(?i)[-+~\w.]*{_NAME}[\w.]*\Z")


def credentials_in(text: str) -> bool:
    """Whether an address in the text holds a password, a token or a signature."""
    return without_credentials(text) != text


def without_credentials(text: str) -> str:
    """The text, with `***` where addresses in it hold credentials."""
    hidden = _IN_ADDRESS.sub(lambda found: _HIDDEN.join(part for part in found.groups() if part), text)
    return _IN_QUERY.sub(rf"\g<1>{_HIDDEN}", hidden)


def without_secrets(arguments: Sequence[str]) -> list[str]:
    """A command line, with `***` for the values of options whose names speak of secrets: `--token x`,
    `--token=x`, `db.password=x`; and without the credentials of addresses."""
    shown: list[str] = []
    hides_next = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        is_secret = _OPTION.match(name) is not None
        if hides_next and not argument.startswith("-"):
            shown.append(_HIDDEN)
        elif is_secret and equals:
            shown.append(f"{name}={_HIDDEN}")
        else:
            shown.append(without_credentials(argument))
        hides_next = is_secret and not equals and name.startswith("-")
    return shown
