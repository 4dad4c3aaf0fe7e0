"""What keeps a registry sound and small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.gc_plan import GcPlan, gc_entry, gc_summary
from pipekit_experiment._src.progress_line import OnProgress, progress_of, telling
from pipekit_experiment._src.registry_base import RegistryCalls, actor, whole
from pipekit_experiment._src.registry_calls import ask, cancelling, incomplete
from pipekit_experiment._src.registry_types import Finding, Pin, finding, pin
from pipekit_experiment._src.strict_json import strict_json

_LONGEST_S = 280 * 365.25 * 86400
"""Of an age; microseconds of more are no exact numbers for the daemon."""


class UpkeepCalls(RegistryCalls):
    """Collects, pins and verifies."""

    def gc(
        self,
        *,
        apply: bool = False,
        keep_last: int = 0,
        min_age: timedelta | float | None = None,
        keep_moves: int | None = None,
        keep_moved: timedelta | float | None = None,
        keep_metadata: Iterable[Mapping[str, Any]] = (),
        progress: bool | OnProgress | None = None,
    ) -> GcPlan:
        """Tells which models nothing keeps and, with `apply`, deletes them. Safe beside every other call.

        Models that are tagged, pinned or being stored are always kept. Print the plan to read it.

        Args:
            apply: Deletes; by default nothing is.
            keep_last: The newest so many models are kept.
            min_age: Models stored within this time (seconds, or a timedelta) are kept; by default 24 hours.
            keep_moves: Models to which one of the last so many moves of a tag led are kept; by default 10.
            keep_moved: Models to which a tag pointed within this time are kept; by default 30 days.
            keep_metadata: Models whose metadata has every entry of one of these mappings are kept.
            progress: As with `store`.

        Raises GcAbortedError on any doubt, and nothing is deleted after it; InvalidArgumentError.
        """
        policy = pb.GcPolicy(
            keep_last=whole(keep_last, "keep_last"),
            min_age_us=_microseconds(min_age, "min_age"),
            keep_moves=None if keep_moves is None else whole(keep_moves, "keep_moves"),
            keep_moved_us=_microseconds(keep_moved, "keep_moved"),
            keep_metadata_json=[strict_json(entries, "keep_metadata") for entries in keep_metadata],
        )
        request = pb.GcRequest(registry=self.spec, policy=policy, apply=apply, actor=actor())
        with telling(progress, "gc") as tell:
            # A second run would not tell what the first one has deleted.
            return ask(lambda stub, _: _collected(stub.Gc(request), tell), repeatable=not apply)

    def pin(self, ref: str, *, reason: str = "") -> Pin:
        """Keeps a model from every collection until it is unpinned. Pinning again changes the reason."""
        request = pb.PinRequest(registry=self.spec, ref=ref, actor=actor(), reason=reason)
        return pin(self._call("Pin", request).pin)

    def unpin(self, ref: str) -> bool:
        """Takes a pin away. False when there was none."""
        return self._call("Unpin", pb.UnpinRequest(registry=self.spec, ref=ref)).removed

    def pins(self) -> list[Pin]:
        """All pins, in byte order of the hashes."""
        return [pin(each) for each in self._call("ListPins", pb.ListPinsRequest(registry=self.spec)).pins]

    def verify(self, *refs: str, quick: bool = False) -> list[Finding]:
        """Recomputes the digests of these models, or of all; one finding a model.

        `quick` reads no weights: it compares sizes, and the checksums that the server keeps where they serve.
        """
        request = pb.VerifyRequest(registry=self.spec, refs=refs, quick=quick)
        return ask(lambda stub, _: _findings(stub.Verify(request)))


def _findings(call: Any) -> list[Finding]:
    with cancelling(call) as answers:
        return [finding(answer) for answer in answers]


def _collected(call: Any, tell: OnProgress | None) -> GcPlan:
    entries: list[pb.GcEntry] = []
    with cancelling(call) as answers:
        for answer in answers:
            part = answer.WhichOneof("part")
            if part == "entry":
                entries.append(answer.entry)
            elif part == "progress" and tell is not None:
                tell(progress_of(answer.progress))
            elif part == "summary":
                return GcPlan(tuple(gc_entry(entry) for entry in entries), gc_summary(answer.summary))
    raise incomplete("Gc")


def _microseconds(given: timedelta | float | None, field: str) -> int | None:
    if given is None:
        return None
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if 0 <= seconds <= _LONGEST_S:
        return round(seconds * 1_000_000)
    why = "which is more than 280 years" if seconds > 0 else "which is less than nothing"
    raise InvalidArgumentError(
        f"`{field}` is {given!r}, {why}.",
        field=field,
        mend="Give seconds or a timedelta, 0 or more.",
    )
