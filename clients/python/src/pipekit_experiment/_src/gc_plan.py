"""What a collection would delete, or has deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipekit_experiment._src.registry_types import time_of
from pipekit_experiment._src.sizes import counted, size_text

if TYPE_CHECKING:
    from pipekit_experiment._generated import registry_pb2

_LINES = 20
"""Most models that str() lists."""


@dataclass(frozen=True)
class GcEntry:
    """A model that nothing keeps, or the remains of one."""

    hash: str
    bytes: int
    """What goes with it."""
    stored_at: datetime
    """UTC."""
    deleted: bool
    """False in a dry run, or when something took hold of it meanwhile."""
    kept_because: str
    """Why it stays after all, one sentence; empty otherwise."""
    remains: bool
    """Files without a model: what is left of a store that never ended, or of a collection cut off."""


@dataclass(frozen=True)
class GcSummary:
    """A collection, added up."""

    models: int
    """Models looked at."""
    kept: dict[str, int]
    """Models kept, by the first reason that kept each, such as `tagged`, `pinned`, `young`."""
    candidates: int
    """Models and remains that nothing keeps."""
    candidate_bytes: int
    deleted: int
    deleted_bytes: int
    litter: int
    """What dead writers left: stranded uploads, temporary files, leases."""
    litter_bytes: int
    dry_run: bool
    """True when nothing was to be deleted."""


@dataclass(frozen=True)
class GcPlan:
    """The models that nothing keeps, and the sum of it all. `str()` makes it readable."""

    entries: tuple[GcEntry, ...]
    summary: GcSummary

    def __str__(self) -> str:
        return "\n".join([*self._first_lines(), *self._entry_lines(), *self._last_lines()])

    def _first_lines(self) -> list[str]:
        all_of = self.summary
        if all_of.candidates == 0:
            return [f"Something keeps each of {counted(all_of.models, 'model')}."]
        done, size = (
            ("would go", all_of.candidate_bytes)
            if all_of.dry_run
            else (f"had nothing to keep them, {all_of.deleted:,} deleted", all_of.deleted_bytes)
        )
        remains = sum(entry.remains for entry in self.entries)
        goes = counted(all_of.candidates - remains, "model")
        rest = f" and {counted(remains, 'remnant')}" if remains else ""
        return [f"{goes}{rest} of {all_of.models:,} {done}, {size_text(size)}:"]

    def _entry_lines(self) -> list[str]:
        lines = [
            f"  {entry.hash[:12]}  {size_text(entry.bytes):>10}  stored {entry.stored_at:%Y-%m-%d %H:%M}"
            f"{', remains' if entry.remains else ''}"
            f"{f', kept: {entry.kept_because}' if entry.kept_because else ''}"
            for entry in self.entries[:_LINES]
        ]
        more = len(self.entries) - len(lines)
        return [*lines, f"  and {more:,} more"] if more else lines

    def _last_lines(self) -> list[str]:
        all_of = self.summary
        lines: list[str] = []
        if all_of.kept:
            lines.append(f"Kept: {', '.join(f'{count:,} {why}' for why, count in all_of.kept.items())}.")
        if all_of.litter:
            left = (
                f"{counted(all_of.litter, 'leftover')} of broken-off work, {size_text(all_of.litter_bytes)}"
            )
            lines.append(f"{left}, {'found' if all_of.dry_run else 'removed'}.")
        if all_of.dry_run and (all_of.candidates or all_of.litter):
            lines.append("Nothing was deleted: give apply=True.")
        return lines


def gc_entry(message: registry_pb2.GcEntry) -> GcEntry:
    """Reads a GcEntry message."""
    return GcEntry(
        hash=message.hash,
        bytes=message.bytes,
        stored_at=time_of(message.stored_at_us),
        deleted=message.deleted,
        kept_because=message.kept_because,
        remains=message.remains,
    )


def gc_summary(message: registry_pb2.GcSummary) -> GcSummary:
    """Reads a GcSummary message."""
    return GcSummary(
        models=message.models,
        kept=dict(sorted(message.kept.items())),
        candidates=message.candidates,
        candidate_bytes=message.candidate_bytes,
        deleted=message.deleted,
        deleted_bytes=message.deleted_bytes,
        litter=message.litter,
        litter_bytes=message.litter_bytes,
        dry_run=message.dry_run,
    )
