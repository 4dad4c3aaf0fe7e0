"""The model registry's client. The daemon does the work; only the registry spec tells the backends apart."""

from __future__ import annotations

import builtins
import getpass
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.registry_calls import ask, load, store
from pipekit_experiment._src.registry_operator import rebuild, state_of, weights_of
from pipekit_experiment._src.registry_trust import names_to_trust, trusting
from pipekit_experiment._src.registry_types import (
    Finding,
    ModelInfo,
    TagMove,
    finding,
    model_info,
    tag_move,
)
from pipekit_experiment._src.registry_watch import TagWatch
from pipekit_experiment._src.registry_weights import checked_weights
from pipekit_experiment._src.strict_json import strict_json

if TYPE_CHECKING:
    from pipekit_experiment._src.run import Run

_PAGE = 1000
_ANSWER_S = 30.0
"""Longest wait for a small answer."""


class DaemonRegistry:
    """A registry that the daemon keeps, named by a spec such as `local:/srv/models`.

    A `ref` is a hash, a unique hash prefix of 8 characters or more, a name, `name@7` (where its 7th move led)
    or `name~1` (where it pointed one move ago). Methods with a ref raise RefNotFoundError (a KeyError),
    RefInvalidError (a ValueError) and RefAmbiguousError (a LookupError); all raise DaemonUnavailableError (a
    ConnectionError) and InvalidRegistrySpecError. Thread-safe and fork-safe; a copy can be pickled."""

    def __init__(self, spec: str, *, trust: Iterable[str] = ()) -> None:
        self.spec = spec
        self._trust = names_to_trust(trust)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.spec!r})"

    def store(
        self,
        model_op: Any,
        *,
        name: str | None = None,
        tags: Mapping[str, Any] | None = None,
        weights: bytes | bytearray | memoryview | str | os.PathLike[str] | None = None,
        training_config: Any = None,
        dataset_hash: str = "",
        preview: Any = None,
        run: Run | str | None = None,
        force: bool = False,
    ) -> str:
        """Stores an operator with its weights and returns the model's hash. Storing it again is harmless.

        Args:
            model_op: Anything with `.state` = {"module", "class", "config"}. name: Tag to point to the model
            once it is stored. tags: Free metadata; not part of the model's identity. weights: Bytes, or the
            path of a file that holds them (it is copied, and never read into this process
                when the daemon is on the same host). By default what the operator's `get_weights()` returns;
                an operator without that method has no weights.
            training_config: JSON value; part of the identity.
            dataset_hash: Content hash of the training data; part of the identity.
            preview: Input and output examples, a JSON value; not part of the identity.
            run: The run that made it, or its id.
            force: Lets `name` move when it points elsewhere.

        Raises:
            NotAnOperatorError: a TypeError.
            InvalidConfigError: a ValueError; names the path of what JSON cannot say.
            TagExistsError: a FileExistsError; `name` points elsewhere and `force` is false.
            TagNameInvalidError, ArtifactUnreadableError, StorageFullError.
        """
        state = state_of(model_op)
        given = checked_weights(weights if weights is not None else weights_of(model_op))
        header = pb.StoreHeader(
            registry=self.spec,
            operator_json=strict_json(state, "state"),
            training_config_json=""
            if training_config is None
            else strict_json(training_config, "training_config"),
            dataset_hash=dataset_hash,
            metadata_json="" if tags is None else strict_json(tags, "tags"),
            preview_json="" if preview is None else strict_json(preview, "preview"),
            run_id=_run_id(run),
            name=name or "",
            force=force,
            has_weights=given is not None,
            weights_format=str(getattr(model_op, "weights_format", "")),
            actor=_actor(),
        )
        return ask(lambda stub, connection: store(stub, connection, header, given)).model.hash

    def load(self, ref: str, *, trust: Iterable[str] = ()) -> Any:
        """The operator, made again by its class's `from_state` and `with_weights`.

        Imports only modules named in `trust` (here or in the constructor) and pipekit's own packages; a name
        stands for the module and all below it. Raises UntrustedModuleError (a PermissionError),
        CorruptModelError."""
        names = (*self._trust, *names_to_trust(trust))
        model, weights = self._load(ref)
        with trusting(names):
            return rebuild(json.loads(model.operator_json), weights)

    def load_weights(self, ref: str) -> bytes | None:
        """The model's weights, verified; None when it has none. Raises CorruptModelError."""
        return self._load(ref)[1]

    def stat(self, ref: str) -> ModelInfo:
        """Describes a model without loading it."""
        return model_info(self._call("Stat", pb.StatRequest(registry=self.spec, ref=ref)).model)

    def tag(
        self, hash: str, name: str, *, force: bool = False, expected: str | None = None, reason: str = ""
    ) -> None:
        """Points `name` to a model (any ref will do) by one atomic, logged move.

        A name is written once unless `force` is given. With `expected`, the move is made only if the name
        points to that hash now. Raises TagExistsError (a FileExistsError), TagConflictError,
        TagNameInvalidError."""
        self._call(
            "Tag",
            pb.TagRequest(
                registry=self.spec,
                ref=hash,
                name=name,
                force=force,
                expected_hash=expected or "",
                actor=_actor(),
                reason=reason,
            ),
            # Made but not heard of, such a move would be refused the second time.
            repeatable=not expected,
        )

    def resolve_tag(self, name: str) -> str:
        """The hash that a name (or any ref) stands for."""
        return self._call("ResolveTag", pb.ResolveTagRequest(registry=self.spec, ref=name)).hash

    def history(self, name: str) -> builtins.list[TagMove]:
        """The moves of a tag, newest first."""
        request = pb.TagHistoryRequest(registry=self.spec, name=name, page_size=_PAGE)
        return [tag_move(move) for page in self._pages("TagHistory", request) for move in page.moves]

    def watch_tag(self, name: str, after_seq: int = 0) -> TagWatch:
        """The tag's moves after `after_seq`, then each new one as it is made.

        With 0 the first is the current move, if there is one; the tag need not exist yet. The iterator
        blocks; `close()` from any thread ends it. It outlives a restart of the daemon."""
        return TagWatch(self.spec, name, after_seq)

    def verify(self, *refs: str) -> builtins.list[Finding]:
        """Recomputes the digests of these models, or of all; one finding a model."""
        request = pb.VerifyRequest(registry=self.spec, refs=refs)
        return ask(lambda stub, _: [finding(answer) for answer in stub.Verify(request)])

    def list(self, *, tags: Mapping[str, Any] | None = None) -> builtins.list[str]:
        """Hashes of the models, in byte order; with `tags`, of those whose metadata has all these entries."""
        wanted = "" if tags is None else strict_json(tags, "tags")
        request = pb.ListRequest(registry=self.spec, metadata_filter_json=wanted, page_size=_PAGE)
        return [model.hash for page in self._pages("List", request) for model in page.models]

    def _load(self, ref: str) -> tuple[pb.Model, bytes | None]:
        request = pb.LoadRequest(registry=self.spec, ref=ref, by_path=True)
        return ask(lambda stub, _: load(stub, request))

    def _call(self, method: str, request: Any, *, repeatable: bool = True) -> Any:
        return ask(lambda stub, _: getattr(stub, method)(request, timeout=_ANSWER_S), repeatable)

    def _pages(self, method: str, request: Any) -> Iterator[Any]:
        while True:
            page = self._call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


class LocalModelRegistry(DaemonRegistry):
    """A registry in a folder of the daemon's host; without `root`, the one in the daemon's state folder.

    `trust` names modules whose code load() may run, besides pipekit's own packages.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, *, trust: Iterable[str] = ()) -> None:
        given = None if root is None else str(os.fspath(root))
        self.root = None if given is None else os.path.abspath(os.path.expanduser(given))
        super().__init__("" if self.root is None else f"local:{self.root}", trust=trust)


def _run_id(run: Run | str | None) -> str:
    found: Any = getattr(run, "run_id", run) or ""
    if not isinstance(found, str):
        raise InvalidArgumentError(
            f"`run` is a {type(run).__name__}.", field="run", mend="Give a Run, or the id of one."
        )
    return found


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # A container's user without an entry in the password file.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
