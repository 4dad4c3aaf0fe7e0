"""A daemon on another host: `PKX_ENDPOINT=https://host:port`, with TLS and a token. See docs/remote.md."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.errors import (
    DaemonUnavailableError,
    InvalidArgumentError,
    UnauthenticatedError,
)
from pipekit_experiment._src.folders import default_socket, state_folder

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import grpc

_ADDRESS = re.compile(r"https://(\[[\da-fA-F:.]+\]|[\w.-]+):(\d{1,5})/?")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_PATIENCE_S = 5.0


@dataclass(frozen=True)
class RemoteEndpoint:
    """Where the daemon is, and what proves each to the other. As text it is the address alone."""

    host: str
    port: int
    token: str = field(repr=False)
    """Empty where a certificate stands for it."""
    ca_file: str
    """Certificates that are trusted, PEM; empty for those of the system."""
    cert_file: str = ""
    """The client's own certificate with its chain, PEM; empty for none."""
    key_file: str = ""

    def __str__(self) -> str:
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def answers(self) -> bool:
        """Whether something listens and proves to be the daemon; gRPC tells no reason when it does not.

        Raises UnauthenticatedError (the certificate is not trusted, has expired, is of another host),
        DaemonUnavailableError (no TLS).
        """
        import ssl

        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable(self.ca_file, "PKX_CA_FILE", error) from error
        try:
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable(self.cert_file, "PKX_CLIENT_CERT_FILE", error) from error
        context.set_alpn_protocols(["h2"])
        try:
            plain = socket.create_connection((self.host, self.port), _PATIENCE_S)
            with plain, context.wrap_socket(plain, server_hostname=self.host) as secure:
                if self._is_taken(secure):
                    return True
        except ssl.SSLCertVerificationError as error:
            raise UnauthenticatedError(
                f"What listens at {self} does not prove to be the daemon: {error.verify_message}.",
                field="PKX_CA_FILE",
                mend="Set PKX_CA_FILE to the certificate that signed the daemon's, and name the host that "
                "stands in the daemon's.",
            ) from error
        except ssl.SSLError as error:
            raise DaemonUnavailableError(
                f"What listens at {self} does not speak TLS.",
                field="PKX_ENDPOINT",
                mend="Name the address of the daemon's setting `listen`.",
            ) from error
        except OSError:
            return False
        fault = (
            "does not take the certificate of this client"
            if self.cert_file
            else "wants a certificate of its clients"
        )
        raise UnauthenticatedError(
            f"The daemon at {self} {fault}.",
            field="PKX_CLIENT_CERT_FILE",
            mend="Set PKX_CLIENT_CERT_FILE and PKX_CLIENT_KEY_FILE to a certificate that the daemon's client "
            "CA has signed and that has not expired.",
        )

    @staticmethod
    def _is_taken(secure: ssl.SSLSocket) -> bool:
        """HTTP/2 begins with a word of the server's; one that wants another certificate closes the connection
        instead. Whoever is silent decides nothing: the first call tells."""
        try:
            return secure.recv(1) != b""
        except TimeoutError:
            return True
        except OSError:
            return False

    def channel(self, options: list[tuple[str, int | str]]) -> grpc.Channel:
        """A channel that sends with every call the token that its file holds then."""
        from pipekit_experiment._src.quiet_grpc import grpc

        trusted = _read(self.ca_file, "PKX_CA_FILE") if self.ca_file else None
        certificate = _read(self.cert_file, "PKX_CLIENT_CERT_FILE") if self.cert_file else None
        key = _read(self.key_file, "PKX_CLIENT_KEY_FILE") if self.key_file else None
        # Not of grpc's own class, which cannot be named before grpc is imported.
        token: Any = _TokenOfNow(self.token)
        credentials = grpc.composite_channel_credentials(
            grpc.ssl_channel_credentials(trusted, key, certificate),
            grpc.metadata_call_credentials(token, name="pipekit token"),
        )
        return grpc.secure_channel(str(self).removeprefix("https://"), credentials, options=options)


class _TokenOfNow:
    """Gives grpc the token for a call, in a thread of grpc's."""

    def __init__(self, token: str) -> None:
        self._last = token

    def __call__(self, _context: object, done: Callable[[list[tuple[str, str]], None], None]) -> None:
        # While it is being replaced the last one counts.
        with contextlib.suppress(UnauthenticatedError):
            self._last = _token(or_none=True) or self._last
        done([("authorization", f"Bearer {self._last}")] if self._last else [], None)


def is_remote() -> bool:
    """Whether the daemon is taken to be on another host, where the files of this one mean nothing."""
    return os.environ.get("PKX_ENDPOINT", "").startswith("https:")


def remote_endpoint() -> RemoteEndpoint | None:
    """The endpoint that `$PKX_ENDPOINT` names, with `$PKX_TOKEN` or `$PKX_TOKEN_FILE`, `$PKX_CA_FILE`,
    `$PKX_CLIENT_CERT_FILE` and `$PKX_CLIENT_KEY_FILE`; None when it names none on another host.

    Raises InvalidArgumentError when it is malformed, UnauthenticatedError when there is neither a token nor a
    certificate, or half of one.
    """
    if not is_remote():
        return None
    address = _ADDRESS.fullmatch(os.environ["PKX_ENDPOINT"])
    if address is None:
        raise InvalidArgumentError(
            "PKX_ENDPOINT is not of the form https://host:port.",
            field="PKX_ENDPOINT",
            mend="Set it to the address of the daemon's setting `listen`, such as https://host:7443.",
        )
    host, port = address.groups()
    cert_file, key_file = _own_files()
    token = _token(or_none=bool(cert_file))
    ca_file = os.environ.get("PKX_CA_FILE", "")
    return RemoteEndpoint(host.strip("[]"), int(port), token, ca_file, cert_file, key_file)


def _own_files() -> tuple[str, str]:
    """The client's certificate and its key; empty for none."""
    names = ("PKX_CLIENT_CERT_FILE", "PKX_CLIENT_KEY_FILE")
    cert_file, key_file = (os.environ.get(name, "") for name in names)
    if bool(cert_file) == bool(key_file):
        return cert_file, key_file
    missing = names[1] if cert_file else names[0]
    raise UnauthenticatedError(
        "A client's certificate needs its key, and the other way round.",
        field=missing,
        mend=f"Set {missing}, too.",
    )


def spool_name() -> str:
    """Name of the folder for what waits for the daemon. One that is named, and is not known to be that of the
    state folder, has a spool of its own: the socket may be forwarded from another host, and the daemon of the
    state folder would take in, when it runs, what is meant for that one."""
    named = os.environ.get("PKX_ENDPOINT", "")
    if not named or _is_own(named):
        return "spool"
    return f"spool-{hashlib.sha256(named.encode()).hexdigest()[:16]}"


def _is_own(endpoint: str) -> bool:
    """Whether it is the socket of the state folder's daemon, or lies in that folder."""
    if not endpoint.startswith("unix:/"):
        return False
    socket = Path(os.path.abspath("/" + endpoint.removeprefix("unix:").lstrip("/")))
    return socket == default_socket() or state_folder() in socket.parents


def _token(*, or_none: bool = False) -> str:
    path = os.environ.get("PKX_TOKEN_FILE")
    given = os.environ.get("PKX_TOKEN")
    token = (given or (_read(path, "PKX_TOKEN_FILE").decode(errors="replace") if path else "")).strip()
    if _TOKEN.fullmatch(token) or (or_none and not token):
        return token
    raise UnauthenticatedError(
        "The token is no word." if token else "There is no token for a daemon that is reached over TCP.",
        field="PKX_TOKEN_FILE",
        mend="Set PKX_TOKEN_FILE to a file with your token, or PKX_CLIENT_CERT_FILE and PKX_CLIENT_KEY_FILE.",
    )


def _read(path: str, variable: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, variable, error) from error


def _unreadable(path: str, variable: str, error: Exception) -> UnauthenticatedError:
    why = getattr(error, "strerror", None) or "it is not PEM"
    return UnauthenticatedError(
        f"{path} cannot be read: {why}.", field=variable, mend=f"Set {variable} to a file that can be read."
    )
