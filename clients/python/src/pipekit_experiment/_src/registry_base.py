"""One registry of the daemon: what all calls to it share."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.registry_calls import ask
from pipekit_experiment._src.ulid import new_ulid

PAGE = 1000
_ANSWER_S = 300.0
"""Longest wait for an answer. A daemon that ends is noticed at once; a registry's server may be slow."""


@dataclass(frozen=True)
class RegistryInfo:
    """What a registry promises."""

    spec: str
    """Canonical."""
    atomic: bool
    """Whether moves of tags are linearizable among daemons; False: among the calls of one daemon."""


class RegistryCalls:
    """Base of DaemonRegistry's parts."""

    spec: str

    def describe(self) -> RegistryInfo:
        """Opens the registry and tells what it promises. Raises InvalidRegistrySpecError,
        RegistryRefusedError, RegistryUnavailableError."""
        told = self._call("DescribeRegistry", pb.DescribeRegistryRequest(registry=self.spec))
        return RegistryInfo(spec=told.spec, atomic=told.atomic)

    def _call(self, method: str, request: Any) -> Any:
        return ask(lambda stub, _: getattr(stub, method)(request, timeout=_ANSWER_S))

    def _move(self, method: str, request: Any) -> Any:
        """A call that moves a tag: the same id in both attempts lets it move once.

        A daemon that does not know such ids is asked once: when its answer is lost, nobody knows whether the
        tag was moved."""
        request.move_id = new_ulid()
        return ask(lambda stub, _: getattr(stub, method)(request, timeout=_ANSWER_S), needs="move_id")

    def _pages(self, method: str, request: Any) -> Iterator[Any]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def whole(value: object, field: str) -> int:
    """The number, if it is a whole one that a message can carry; below 0 is left to the daemon."""
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    raise InvalidArgumentError(
        f"`{field}` is {value!r}.", field=field, mend="Give a whole number that is not so large."
    )


def actor() -> str:
    """Who acts, such as `ej@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # A container's user without an entry in the password file.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
