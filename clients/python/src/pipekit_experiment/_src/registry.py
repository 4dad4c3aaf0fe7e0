"""The model registry's client. The daemon does the work; only the registry spec tells the backends apart."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.loaded_models import remember
from pipekit_experiment._src.progress_line import OnProgress, telling
from pipekit_experiment._src.registry_base import PAGE
from pipekit_experiment._src.registry_calls import ask, load, store
from pipekit_experiment._src.registry_copies import CopyCalls
from pipekit_experiment._src.registry_hash import hash_model
from pipekit_experiment._src.registry_header import add_notes, header_of, preview_of
from pipekit_experiment._src.registry_operator import rebuild, weights_of
from pipekit_experiment._src.registry_tags import TagCalls
from pipekit_experiment._src.registry_trust import names_to_trust, trusting
from pipekit_experiment._src.registry_types import ModelInfo, model_info
from pipekit_experiment._src.registry_upkeep import UpkeepCalls
from pipekit_experiment._src.registry_weights import checked_weights
from pipekit_experiment._src.remote import is_remote
from pipekit_experiment._src.strict_json import strict_json

if TYPE_CHECKING:
    from pipekit_experiment._src.run import Run


class DaemonRegistry(TagCalls, UpkeepCalls, CopyCalls):
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
        preview_inputs: Any = None,
        preview_rtol: float | None = None,
        preview_atol: float | None = None,
        run: Run | str | None = None,
        force: bool = False,
        progress: bool | OnProgress | None = None,
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
            preview_inputs: Instead of `preview`: calls the operator with these, a tuple of arguments or one,
                and keeps inputs and outputs (at most 1 MiB), so that load(check_preview=True) can compare.
            preview_rtol: Relative tolerance of that comparison; by default what suits the outputs' dtypes.
            preview_atol: Absolute tolerance of it.
            run: The run that made it, or its id.
            force: Lets `name` move when it points elsewhere.
            progress: Shows on stderr how far it is; by default only when that is a terminal. A function is
                called with Progress instead; what it raises ends the call.

        Raises:
            NotAnOperatorError: a TypeError.
            InvalidConfigError: a ValueError; names the path of what JSON cannot say.
            TagExistsError: a FileExistsError; `name` points elsewhere and `force` is false.
            TagNameInvalidError, ArtifactUnreadableError, StorageFullError.
        """
        preview = preview_of(model_op, preview, preview_inputs, preview_rtol, preview_atol)
        header = header_of(self.spec, model_op, training_config, dataset_hash)
        given = checked_weights(weights if weights is not None else weights_of(model_op))
        header.has_weights = given is not None
        add_notes(header, name=name, force=force, tags=tags, preview=preview, run=run)
        with telling(progress, "store") as tell:
            stored = ask(lambda stub, connection: store(stub, connection, header, given, tell)).model.hash
        remember(model_op, stored)
        return stored

    def hash(
        self,
        model_op: Any,
        *,
        weights: bytes | bytearray | memoryview | str | os.PathLike[str] | None = None,
        training_config: Any = None,
        dataset_hash: str = "",
        progress: bool | OnProgress | None = None,
    ) -> str:
        """The hash that store() would give; nothing is stored. The same in every registry.

        Raises what store() raises of these arguments."""
        return hash_model(self.spec, model_op, weights, training_config, dataset_hash, progress).hash

    def load(
        self,
        ref: str,
        *,
        trust: Iterable[str] = (),
        check_preview: bool = False,
        rtol: float | None = None,
        atol: float | None = None,
        progress: bool | OnProgress | None = None,
    ) -> Any:
        """The operator, made again by its class's `from_state` and `with_weights`.

        Imports only modules named in `trust` (here or in the constructor) and pipekit's own packages; a name
        stands for the module and all below it. With `check_preview` the operator is called with the inputs of
        its preview and must give the outputs, within the tolerance that the preview states or `rtol` and
        `atol` do. Raises UntrustedModuleError (a PermissionError), CorruptModelError, PreviewMismatchError,
        InvalidArgumentError for a model without such a preview."""
        names = (*self._trust, *names_to_trust(trust))
        model, weights = self._load(ref, progress)
        with trusting(names):
            operator = rebuild(json.loads(model.operator_json), weights)
            if check_preview:
                from pipekit_experiment._src.preview import check

                check(operator, json.loads(model.preview_json or "null"), rtol, atol, model.hash)
        remember(operator, model.hash)
        return operator

    def load_weights(self, ref: str, *, progress: bool | OnProgress | None = None) -> bytes | None:
        """The model's weights, verified; None when it has none. Raises CorruptModelError."""
        return self._load(ref, progress)[1]

    def stat(self, ref: str) -> ModelInfo:
        """Describes a model without loading it."""
        return model_info(self._call("Stat", pb.StatRequest(registry=self.spec, ref=ref)).model)

    def list(self, *, tags: Mapping[str, Any] | None = None) -> builtins.list[str]:
        """Hashes of the models, in byte order; with `tags`, of those whose metadata has all these entries."""
        wanted = "" if tags is None else strict_json(tags, "tags")
        request = pb.ListRequest(registry=self.spec, metadata_filter_json=wanted, page_size=PAGE)
        return [model.hash for page in self._pages("List", request) for model in page.models]

    def _load(self, ref: str, progress: bool | OnProgress | None) -> tuple[pb.Model, bytes | None]:
        request = pb.LoadRequest(registry=self.spec, ref=ref, by_path=not is_remote())
        with telling(progress, "load") as tell:
            return ask(lambda stub, _: load(stub, request, tell))


class LocalModelRegistry(DaemonRegistry):
    """A registry in a folder of the daemon's host; without `root`, the one in the daemon's state folder.

    `trust` names modules whose code load() may run, besides pipekit's own packages.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, *, trust: Iterable[str] = ()) -> None:
        given = None if root is None else str(os.fspath(root))
        self.root = None if given is None else os.path.abspath(os.path.expanduser(given))
        super().__init__("" if self.root is None else f"local:{self.root}", trust=trust)
