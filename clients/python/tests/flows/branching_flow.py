"""Branches side by side, and a foreach in which one task raises and one is killed at their first attempts."""

import os
import signal

from flow_work import Double, Largest, MeanLoop
from metaflow import FlowSpec, current, retry, step

from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter


class Faulty(MeanLoop):
    """Breaks off at the end of its first attempt, in the way of its branch."""

    def __init__(self, values, fault):
        super().__init__(values)
        self.fault = fault

    def run(self):
        trained = super().run()
        if current.retry_count == 0 and self.fault == "raises":
            raise OSError("the disk is away")
        if current.retry_count == 0 and self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return trained


class BranchingFlow(FlowSpec):
    @step
    def start(self):
        self.raw = [1, 2, 3]
        self.next(self.spread, self.double)

    @step
    def spread(self):
        self.faults = ["none", "raises", "killed"]
        self.next(self.fit, foreach="faults")

    @retry(times=1, minutes_between_retries=0)
    @step
    def fit(self):
        result = MetaflowStepAdapter.run(Faulty([self.index, self.index], self.input), name="fit")
        self.model_hash, self.run_id = result.model_hash, result.run_id
        self.factor = result.operator.factor
        self.next(self.best)

    @step
    @MetaflowStepAdapter.as_step(Largest(), name="largest", inputs=["factor"])
    def best(self, inputs):
        self.run_ids = [branch.run_id for branch in inputs]
        self.next(self.meet)

    @step
    @MetaflowStepAdapter.as_step(Double(), name="doubled", inputs=["raw"])
    def double(self):
        self.next(self.meet)

    @step
    def meet(self, inputs):
        self.largest, self.run_ids = inputs.best.largest, inputs.best.run_ids
        self.doubled = inputs.double.doubled
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    BranchingFlow()
