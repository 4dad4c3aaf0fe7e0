"""What MetaflowStepAdapter.run does: train and store, or call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError, NotAnOperatorError
from pipekit_experiment._src.metaflow.link import link
from pipekit_experiment._src.metaflow.result import StepResult
from pipekit_experiment._src.metaflow.run import step_run
from pipekit_experiment._src.metaflow.task import MetaflowTask
from pipekit_experiment._src.metaflow.training import config_of, logging_to, trackers_of
from pipekit_experiment._src.protocols import ExperimentTracker, ModelRegistry
from pipekit_experiment._src.training.identity import identity_of, store_trained


def is_loop(work: Any) -> bool:
    """Whether this is trained (it has `run`) rather than called. Raises NotAnOperatorError for neither."""
    if callable(getattr(work, "run", None)):
        return True
    if callable(work):
        return False
    raise NotAnOperatorError(
        f"A value of type {type(work).__name__} is neither a training loop nor an Operator to be called.",
        mend="Pass an object with `run`, or one with `__call__`.",
    )


def read_inputs(source: Any, inputs: Sequence[str], *, of_branches: bool) -> list[Any]:
    """The values of these names; `of_branches`: for each name the list of the branches' values.

    Raises InvalidArgumentError that names what is missing.
    """
    if isinstance(inputs, str):
        raise InvalidArgumentError(
            f"`inputs` is the text {inputs!r}.", field="inputs", mend=f"Pass a list: inputs=[{inputs!r}]."
        )
    values: list[Any] = []
    for name in inputs:
        try:
            values.append(
                [getattr(branch, name) for branch in source] if of_branches else getattr(source, name)
            )
        except AttributeError as error:
            raise InvalidArgumentError(
                f"The step has no value named {name!r}.",
                field=f"inputs.{name}",
                mend="Set it on the flow object in an earlier step, or correct `inputs`.",
            ) from error
    return values


def train(
    task: MetaflowTask,
    loop: Any,
    values: Sequence[Any],
    *,
    name: str,
    registry: ModelRegistry | None,
    tracker: str | ExperimentTracker | None,
    sinks: Sequence[str | ExperimentTracker],
    config: Mapping[str, Any] | None,
) -> StepResult:
    """Trains a loop inside a run, and stores what it returns, or its `model_op` when that is None."""
    registry = registry or _default_registry()
    given = config_of(loop) if config is None else config
    # Asked for before hours of training are spent.
    identity = identity_of(loop)
    with step_run(task, name, given, tracker, [*trackers_of(loop), *sinks]) as run:
        with logging_to(run, loop):
            trained = loop.run(*values)
        if trained is None:
            trained = getattr(loop, "model_op", None)
        run_id = "" if run is None else run.run_id
        tags = {"metaflow_pathspec": task.pathspec}
        model_hash = store_trained(registry, trained, run_id, identity, tags)
        link(task, *([f"pipekit_run:{run_id}"] if run_id else []), f"pipekit_model:{model_hash}")
        if run is not None:
            run.set_tags({"pipekit/model": model_hash})
    return StepResult(
        run_id=run_id, pathspec=task.pathspec, operator=trained, model_hash=model_hash, registry=registry
    )


def call(
    task: MetaflowTask,
    operator: Any,
    values: Sequence[Any],
    *,
    name: str,
    tracker: str | ExperimentTracker | None,
    sinks: Sequence[str | ExperimentTracker],
    config: Mapping[str, Any] | None,
) -> StepResult:
    """Calls an operator inside a run."""
    given = config_of(operator) if config is None else config
    with step_run(task, name, given, tracker, sinks) as run:
        output = operator(*values)
    run_id = "" if run is None else run.run_id
    return StepResult(run_id=run_id, pathspec=task.pathspec, operator=operator, output=output)


def _default_registry() -> ModelRegistry:
    from pipekit_experiment import LocalModelRegistry

    return LocalModelRegistry()
