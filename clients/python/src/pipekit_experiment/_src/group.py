"""Runs that several processes write together, such as the ranks of a job on many nodes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.ulid import ulid_of

_GROUP = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_MOST = 2**31 - 1
_NO_TORCH_ID = ("", "none")
"""What torchrun passes on when nobody gave it a rendezvous id: the same in every job."""


@dataclass(frozen=True)
class Member:
    """Which process of a group this one is."""

    group: str
    rank: int
    world_size: int
    """0 when unknown."""

    def run_id(self, name: str) -> str:
        """The run of the group: the first 128 bits of SHA-256 over `pipekit group 1`, group and name, each
        ended by a NUL, in the letters of a ULID. Its time means nothing. The clients of other languages make
        the same."""
        digest = hashlib.sha256(f"pipekit group 1\0{self.group}\0{name}\0".encode()).digest()
        return ulid_of(int.from_bytes(digest[:16], "big"))

    def start_of(self, start: dict[str, Any]) -> dict[str, Any]:
        """The start record of this member. What the run is delivered to and configured with is rank 0's to
        say, once."""
        other: dict[str, Any] = {"tracker": "", "sinks": [], "config_json": "{}", "tags": {}}
        own: dict[str, Any] = {} if self.rank == 0 else other
        member = {"group": self.group, "rank": self.rank, "world_size": self.world_size}
        return {**start, **own, "member": member}


class PrefixedRun(ActiveRun):
    """A run in which what this process logs has `prefix` before its keys."""

    prefix = ""

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """See ActiveRun.log."""
        super().log({f"{self.prefix}{key}": value for key, value in metrics.items()}, step)


def member_of(group: str, rank: int | None, world_size: int | None) -> Member | None:
    """The member that start_run's arguments name. What is left out is read from the launcher's environment;
    with the group `auto` the group too, and the answer is None where no launcher is found.

    Raises InvalidArgumentError.
    """
    found = _rank_and_size()
    if group == "auto":
        named = os.environ.get("PKX_GROUP") or _slurm_group() or _torch_group()
        if named is None:
            if found is None or found[1] == 1:
                return None
            raise InvalidArgumentError(
                "The launcher tells a rank, but no name that is this job's alone.",
                field="group",
                mend="Pass torchrun an --rdzv-id that is new in each job, set PKX_GROUP, or pass group=...",
            )
        group = named
    if rank is None:
        if found is None:
            raise InvalidArgumentError(
                "The group has no rank for this process, and no launcher tells one.",
                field="rank",
                mend="Pass rank=..., or set PKX_RANK.",
            )
        rank = found[0]
    if world_size is None:
        world_size = found[1] if found is not None else 0
    return _checked(group, rank, world_size)


def _checked(group: object, rank: object, world_size: object) -> Member:
    if not isinstance(group, str) or not _GROUP.fullmatch(group):
        raise InvalidArgumentError(
            "The group is no name of 1 to 200 characters.", field="group", mend="Pass the id of the job."
        )
    rank, world_size = _count(rank, "rank"), _count(world_size, "world_size")
    if 0 < world_size <= rank:
        raise InvalidArgumentError(
            f"Of {world_size} processes, none has the rank {rank}.", field="rank", mend="Ranks count from 0."
        )
    return Member(group, rank, world_size)


def _count(given: object, field: str) -> int:
    if type(given) is int and 0 <= given <= _MOST:
        return given
    raise InvalidArgumentError(
        f"The value {given!r} of {field} is no whole number from 0."[:200], field=field, mend="Pass an int."
    )


def _rank_and_size() -> tuple[int, int] | None:
    """What the launcher tells this process; None where there is none. A size of 0 is unknown."""
    for rank, sizes in _LAUNCHERS:
        if os.environ.get(rank):
            size = next((name for name in sizes if os.environ.get(name)), None)
            return _number(rank), 0 if size is None else _number(size)
    return None


_LAUNCHERS = (
    ("PKX_RANK", ("PKX_WORLD_SIZE",)),
    # torchrun, and what sets the same for PyTorch: Ray Train, Kubeflow's PyTorchJob, accelerate.
    ("RANK", ("WORLD_SIZE",)),
    ("SLURM_PROCID", ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")),
    # An indexed Job of Kubernetes; how many there are, and which job it is, it does not tell.
    ("JOB_COMPLETION_INDEX", ("PKX_WORLD_SIZE",)),
)


def _number(name: str) -> int:
    text = os.environ[name]
    if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII):
        return int(text)
    raise InvalidArgumentError(
        f"{name} is {text[:40]!r} and no whole number.", field="rank", mend="Pass rank=... and world_size=..."
    )


def _slurm_group() -> str | None:
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return None
    cluster, step = os.environ.get("SLURM_CLUSTER_NAME"), os.environ.get("SLURM_STEP_ID")
    return "-".join(["slurm", *([cluster] if cluster else []), f"{job}.{step}" if step else job])


def _torch_group() -> str | None:
    job = os.environ.get("TORCHELASTIC_RUN_ID", "")
    return None if job.lower() in _NO_TORCH_ID else f"torch-{job}"
