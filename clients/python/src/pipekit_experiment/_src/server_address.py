"""Addresses of trackers' servers, as their own clients take them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pipekit_experiment._src.errors import InvalidTrackerSpecError


class ServerAddress(NamedTuple):
    """`server` is the host, with the port when one is given; `path` has no slash at its end."""

    scheme: str
    server: str
    path: str


def parse_server_address(
    text: str, what: str, *, field: str, mend: str, credentials_mend: str
) -> ServerAddress:
    """Reads an http or https address without credentials, query and fragment.

    `what` names it in sentences, such as `MLflow tracking URI`. Raises InvalidTrackerSpecError.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        # The text may hold a password: it is not shown.
        raise InvalidTrackerSpecError(f"The {what} cannot be parsed.", field=field, mend=mend) from error
    if parts.username or parts.password:
        raise InvalidTrackerSpecError(f"The {what} holds credentials.", field=field, mend=credentials_mend)
    if parts.scheme not in ("http", "https"):
        raise InvalidTrackerSpecError(
            f"The {what} {text!r} is not an http or https address.", field=field, mend=mend
        )
    if not parts.hostname or parts.query or parts.fragment:
        raise InvalidTrackerSpecError(
            f"The {what} {text!r} is not the address of a server.", field=field, mend=mend
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    server = host if port is None else f"{host}:{port}"
    return ServerAddress(parts.scheme, server, unquote(parts.path).rstrip("/"))
