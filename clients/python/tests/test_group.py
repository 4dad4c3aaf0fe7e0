"""Runs of groups: who is which member, and what each says."""

from __future__ import annotations

import pytest

import pipekit_experiment as pe
from pipekit_experiment._src.group import Member, member_of

LAUNCHERS = (
    *("PKX_GROUP", "PKX_RANK", "PKX_WORLD_SIZE", "RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"),
    *("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"),
    *("SLURM_CLUSTER_NAME", "JOB_COMPLETION_INDEX"),
)

SLURM = {"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_NTASKS": "16"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "exp-7", "RANK": "5", "WORLD_SIZE": "8"}


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (SLURM, Member("slurm-4711.0", 3, 16)),
        ({**SLURM, "SLURM_CLUSTER_NAME": "hpc"}, Member("slurm-hpc-4711.0", 3, 16)),
        (TORCHRUN, Member("torch-exp-7", 5, 8)),
        # torchrun within a SLURM job: the job names the group, torchrun the rank.
        ({**SLURM, **TORCHRUN}, Member("slurm-4711.0", 5, 8)),
        ({"PKX_GROUP": "mine", "JOB_COMPLETION_INDEX": "2"}, Member("mine", 2, 0)),
        ({"PKX_GROUP": "mine", "PKX_RANK": "1", "PKX_WORLD_SIZE": "4", **SLURM}, Member("mine", 1, 4)),
        # One process, and no id that is the job's own: a run like any other.
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "1"}, None),
    ],
)
def test_auto_takes_what_the_launcher_tells(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: Member | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert member_of("auto", None, None) == expected


@pytest.mark.parametrize(
    ("environment", "arguments", "field"),
    [
        # The same in every job that nobody named: runs of two jobs would become one.
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": "1", "WORLD_SIZE": "8"}, ("auto", None, None), "group"),
        ({}, ("job", None, None), "rank"),
        ({}, ("job", 4, 4), "rank"),
        ({}, ("job", -1, None), "rank"),
        ({}, ("job", 0, 1.5), "world_size"),
        ({}, ("a\nb", 0, 1), "group"),
        ({"RANK": "first"}, ("job", None, None), "rank"),
    ],
)
def test_what_names_no_member_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], arguments: tuple[str, int, int], field: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(pe.errors.InvalidArgumentError) as refused:
        member_of(*arguments)
    assert refused.value.field == field


def test_the_run_id_is_made_of_group_and_name_as_in_other_languages() -> None:
    assert Member("slurm-42", 0, 0).run_id("resnet") == "2EA63R0NWR2CH0YV096WZ55PNB"
    assert Member("j", 3, 8).run_id("é") == "4PX3MAGSX7VGQNG7KXTBDK8BQX"


def test_a_group_names_its_run_by_itself() -> None:
    with pytest.raises(pe.errors.InvalidArgumentError, match="made of its name"):
        pe.start_run("x", group="job", rank=0, run_id="01JB3C8Z0000000000000000AA")


def test_what_the_run_is_is_rank_zeros_to_say() -> None:
    start = {
        "name": "x",
        "tracker": "team",
        "sinks": ["mlflow:a"],
        "config_json": '{"lr":1}',
        "tags": {"a": "b"},
    }
    member = {"group": "job", "rank": 0, "world_size": 2}
    assert Member("job", 0, 2).start_of(start) == {**start, "member": member}
    silent = {"name": "x", "tracker": "", "sinks": [], "config_json": "{}", "tags": {}}
    assert Member("job", 1, 2).start_of(start) == {**silent, "member": {**member, "rank": 1}}
