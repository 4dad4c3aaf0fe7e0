"""From a registry's spec to the registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from pipekit_experiment._src.errors import InvalidRegistrySpecError
from pipekit_experiment._src.registry import DaemonRegistry, LocalModelRegistry
from pipekit_experiment._src.registry_mlflow import MLflowModelRegistry
from pipekit_experiment._src.registry_s3 import S3ModelRegistry
from pipekit_experiment._src.registry_trust import names_to_trust


def open_registry(spec: str = "", *, trust: Iterable[str] = ()) -> DaemonRegistry:
    """The registry that a spec names: `local:/folder` (or an absolute path), `s3://bucket/prefix/?region=...`,
    `mlflow+http://host:5000/name`; empty for the one in the daemon's state folder.

    Raises InvalidRegistrySpecError; what else may be wrong with it, the first call tells."""
    made: DaemonRegistry
    if not spec:
        made = LocalModelRegistry(trust=trust)
    elif spec.startswith(("local:", "/")):
        made = LocalModelRegistry(spec.removeprefix("local:"), trust=trust)
    elif spec.startswith("s3://"):
        made = _s3(spec, trust)
    elif spec.startswith(("mlflow+http://", "mlflow+https://")):
        made = _mlflow(spec, trust)
    else:
        raise _refused(spec)
    if not spec.startswith("/"):
        # With its query, which the daemon reads.
        made.spec = spec
    return made


def registries_of(uri: str, *, trust: Iterable[str] = ()) -> Iterator[DaemonRegistry]:
    """The registries that the URI of a model may mean, likelier ones first: what stands after the last slash
    of `s3://bucket/prefix/name` may be a model's name."""
    address, mark, query = uri.partition("?")
    if uri.startswith("s3://") and not address.endswith("/"):
        folder, _, _ = address.rpartition("/")
        if urlsplit(folder).path.strip("/"):
            yield open_registry(f"{folder}/{mark}{query}", trust=trust)
    yield open_registry(uri, trust=trust)


def load_from(registry: Any, ref: str, trust: Iterable[str]) -> Any:
    """Loads from any registry, or one that a spec names. Raises what its `load` does."""
    opened = open_registry(registry) if isinstance(registry, str) else registry
    # A user's own registry need not know of trust.
    names = names_to_trust(trust)
    return opened.load(ref, trust=names) if names else opened.load(ref)


def _s3(spec: str, trust: Iterable[str]) -> DaemonRegistry:
    parts = urlsplit(spec)
    if not parts.netloc or not parts.path.strip("/"):
        raise _refused(spec)
    return S3ModelRegistry(unquote(parts.netloc), unquote(parts.path), trust=trust)


def _mlflow(spec: str, trust: Iterable[str]) -> DaemonRegistry:
    parts = urlsplit(spec.removeprefix("mlflow+"))
    name = parts.path.strip("/")
    if not parts.netloc or not name:
        raise _refused(spec)
    return MLflowModelRegistry(unquote(name), f"{parts.scheme}://{parts.netloc}", trust=trust)


def _refused(spec: str) -> InvalidRegistrySpecError:
    return InvalidRegistrySpecError(
        f"The registry spec `{spec.partition(':')[0][:40]}:...` is none that is known.",
        field="registry",
        mend="Give local:/folder, s3://bucket/prefix/ or mlflow+http://host:5000/name.",
    )
