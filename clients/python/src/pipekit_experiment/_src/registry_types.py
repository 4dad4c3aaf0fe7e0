"""What the registry tells of models and tags."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit_experiment._generated import registry_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class TagMove:
    """One entry of a tag's history."""

    name: str
    seq: int
    """1 for the first move, then +1 each."""
    hash: str
    """Where the tag points since; empty when the move deleted it."""
    previous_hash: str
    """Where it pointed before; empty for the first move, and after a deletion."""
    actor: str
    """Who moved it, such as `ej@host`."""
    at: datetime
    """UTC."""
    reason: str
    principal: str = ""
    """Who moved it as the daemon knows it: a principal over TCP, else `socket:USER`. Empty in moves that were
    made before daemons recorded it."""

    @property
    def deleted(self) -> bool:
        """Whether the move deleted the tag."""
        return not self.hash


@dataclass(frozen=True)
class Pin:
    """What keeps a model from every collection."""

    hash: str
    actor: str
    """Who pinned it, such as `ej@host`."""
    at: datetime
    """UTC."""
    reason: str


@dataclass(frozen=True)
class ModelInfo:
    """A stored model without its weights."""

    hash: str
    """SHA-256 of `manifest`, lowercase hex."""
    manifest: str
    """The exact text that the hash is made of."""
    state: dict[str, Any]
    """The operator's state: {"module", "class", "config"}."""
    tags: dict[str, Any]
    """Free metadata, given as `tags` to store()."""
    names: tuple[str, ...]
    """Names that point to the model now, sorted."""
    has_weights: bool
    weights_sha256: str
    weights_size: int
    """Bytes; 0 without weights."""
    weights_format: str
    """How the weights are encoded, such as `safetensors`; may be empty."""
    run_id: str
    """The run that made it; may be empty."""
    created_at: datetime
    """UTC."""
    training_config: Any
    """None when there is none."""
    dataset_hash: str
    preview: Any
    """Input and output examples; None when there are none."""


@dataclass(frozen=True)
class Finding:
    """What verify() found of one model."""

    hash: str
    problems: tuple[str, ...]
    """What is wrong, one sentence each; empty when the model is sound."""
    bytes_read: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def tag_move(message: registry_pb2.TagMove) -> TagMove:
    """Reads a TagMove message."""
    return TagMove(
        name=message.name,
        seq=message.seq,
        hash=message.hash,
        previous_hash=message.previous_hash,
        actor=message.actor,
        at=time_of(message.at_us),
        reason=message.reason,
        principal=message.principal,
    )


def pin(message: registry_pb2.Pin) -> Pin:
    """Reads a Pin message."""
    return Pin(hash=message.hash, actor=message.actor, at=time_of(message.at_us), reason=message.reason)


def model_info(message: registry_pb2.Model) -> ModelInfo:
    """Reads a Model message."""
    return ModelInfo(
        hash=message.hash,
        manifest=message.manifest,
        state=json.loads(message.operator_json),
        tags=_optional(message.metadata_json) or {},
        names=tuple(message.tags),
        has_weights=message.has_weights,
        weights_sha256=message.weights_sha256,
        weights_size=message.weights_size,
        weights_format=message.weights_format,
        run_id=message.run_id,
        created_at=time_of(message.created_at_us),
        training_config=_optional(message.training_config_json),
        dataset_hash=message.dataset_hash,
        preview=_optional(message.preview_json),
    )


def finding(message: registry_pb2.VerifyResponse) -> Finding:
    """Reads a VerifyResponse message."""
    return Finding(hash=message.hash, problems=tuple(message.problems), bytes_read=message.bytes_read)


def time_of(microseconds: int) -> datetime:
    """Reads Unix microseconds, as UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _optional(text: str) -> Any:
    return json.loads(text) if text else None
