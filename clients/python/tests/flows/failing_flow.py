"""Fails in `train`, and once resumed in `check`: the stages that FAIL names fail."""

import os

from flow_work import MeanLoop
from metaflow import FlowSpec, step

from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter


def fail(stage):
    if stage in os.environ["FAIL"]:
        raise RuntimeError(f"{stage} was told to fail")


class Checked(MeanLoop):
    def __init__(self, stage):
        super().__init__([4, 6])
        self.stage = stage

    def run(self):
        trained = super().run()
        fail(self.stage)
        return trained


class FailingFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.train)

    @step
    def train(self):
        self.train_run = MetaflowStepAdapter.run(Checked("train")).run_id
        self.next(self.check)

    @step
    def check(self):
        self.check_run = MetaflowStepAdapter.run(Checked("check"), self, name="check").run_id
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FailingFlow()
