"""Metaflow: pipelines as steps of a flow. Nothing here imports metaflow before a step runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.metaflow.result import StepResult
from pipekit_experiment._src.metaflow.step import call, is_loop, read_inputs, train
from pipekit_experiment._src.metaflow.task import current_task, import_metaflow
from pipekit_experiment._src.protocols import ExperimentTracker, ModelRegistry

__all__ = ["MetaflowStepAdapter", "StepResult"]


class MetaflowStepAdapter:
    """Runs a training loop or an operator as the work of a Metaflow step.

    Metaflow schedules, retries and keeps what is set on `self`; the work is one run of ours, which has the
    task's pathspec in its tags (`metaflow/pathspec` and others), and the Metaflow run is tagged with
    `pipekit_run:<id>` and, after a training, `pipekit_model:<hash>`. Attempts at a task, and runs that resume
    it, are one run.
    """

    @staticmethod
    def run(
        loop_or_op: Any,
        namespace: Any = None,
        *,
        name: str | None = None,
        inputs: Sequence[str] = (),
        registry: ModelRegistry | None = None,
        tracker: str | ExperimentTracker | None = None,
        sinks: Sequence[str | ExperimentTracker] = (),
        config: Mapping[str, Any] | None = None,
    ) -> StepResult:
        """Trains a loop and stores the model, or calls an operator. To be called within a Metaflow step.

        Args:
            loop_or_op: A training loop (it has `run`), else an operator that can be called.
            namespace: The flow object, `self`; by default that of the step which calls this. Give it when
                another thread does, or the `inputs` of a join step to read from its branches.
            name: Of the run; by default `flow/step`. Several calls in one step are several runs.
            inputs: Names of values on `namespace`, passed to the operator or to the loop's `run` in this
                order. Of a join step's `inputs`, each is the list of the branches' values.
            registry: Where the trained model is stored; by default LocalModelRegistry().
            tracker: A tracker named in the daemon's config, or a tracker object.
            sinks: More destinations, as for `start_run`. The trackers of the loop's LogToExperiment callbacks
                are added: within the step they log to this run.
            config: Parameters of the run; by default what `get_config` of the loop or operator tells.

        The model's identity is the operator, its weights and the `content_hash` of the loop's `dataset`.

        A daemon or tracker that fails does not fail the step: a warning tells it. Storing the model does.
        Raises InvalidArgumentError outside of a step or for a name in `inputs` that is not there,
        NotAnOperatorError, InvalidConfigError, InvalidTrackerSpecError (all of these before anything is
        started), what the registry's `store` raises, what the loop or operator raises, and ImportError
        without metaflow.
        """
        task = current_task(namespace)
        trains = is_loop(loop_or_op)
        if namespace is None and inputs:
            raise InvalidArgumentError(
                "`inputs` are names of values on the flow object, which was not given.",
                field="namespace",
                mend="Pass it: MetaflowStepAdapter.run(op, self, inputs=[...]).",
            )
        is_flow = isinstance(namespace, import_metaflow().FlowSpec)
        values = read_inputs(namespace, inputs, of_branches=not is_flow and hasattr(namespace, "__iter__"))
        shown = f"{task.flow}/{task.step}" if name is None else name
        if trains:
            return train(
                task,
                loop_or_op,
                values,
                name=shown,
                registry=registry,
                tracker=tracker,
                sinks=sinks,
                config=config,
            )
        return call(task, loop_or_op, values, name=shown, tracker=tracker, sinks=sinks, config=config)

    @staticmethod
    def as_step(
        op: Any,
        *,
        name: str,
        inputs: Sequence[str] = (),
        registry: ModelRegistry | None = None,
        tracker: str | ExperimentTracker | None = None,
        sinks: Sequence[str | ExperimentTracker] = (),
        config: Mapping[str, Any] | None = None,
    ) -> Callable[[Any], Any]:
        """Makes an operator, or a loop, the work of a step whose body says what comes next.

            @step
            @MetaflowStepAdapter.as_step(op, name="features", inputs=["raw"])
            def preprocess(self):
                self.next(self.train)

        `run` is called before the body, which finds the operator's output, or the StepResult of a training,
        in `self.<name>`. In a join step the inputs are read from the branches: each is a list. Arguments are
        those of `run`; `name` names the run too.

        What is returned can also be called within a step with the flow object: `as_step(...)(self)`, which
        returns the StepResult.

        Raises InvalidArgumentError for a name that cannot be set on the flow.
        """
        if not name.isidentifier() or name.startswith("_"):
            raise InvalidArgumentError(
                f"The name {name!r} cannot be that of a value of a flow.",
                field="name",
                mend="Choose a Python name that does not start with an underscore.",
            )
        is_loop(op)

        def work(flow: Any, source: Any) -> StepResult:
            _check_free(flow, name)
            result = MetaflowStepAdapter.run(
                op,
                source,
                name=name,
                inputs=inputs,
                registry=registry,
                tracker=tracker,
                sinks=sinks,
                config=config,
            )
            setattr(flow, name, result if is_loop(op) else result.output)
            return result

        def wrap(target: Any) -> Any:
            if not callable(target):
                return work(target, target)

            # `wraps` leads Metaflow's graph parser to the source of the step's own body.
            @functools.wraps(target)
            def body(self: Any, *branches: Any) -> Any:
                work(self, *(branches or (self,)))
                return target(self, *branches)

            return body

        return wrap


def _check_free(flow: Any, name: str) -> None:
    """Steps, parameters and methods of the flow keep their names. Raises InvalidArgumentError."""
    kind = cast("type[Any]", type(flow))
    if issubclass(kind, import_metaflow().FlowSpec) and hasattr(kind, name):
        raise InvalidArgumentError(
            f"{kind.__name__} has a step, parameter or method named {name!r}.",
            field="name",
            mend="Choose another name for what the step makes.",
        )
