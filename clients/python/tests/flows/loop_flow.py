"""The reference loop in a step, whose first attempt breaks off after an epoch."""

from flow_work import Follower
from metaflow import FlowSpec, current, retry, step

import pipekit_experiment as pe
from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter
from pipekit_experiment.datasets import ArrayDataset
from pipekit_experiment.training import TrainingLoop


class BreakOff:
    """A callback that ends the first attempt."""

    def on_epoch_end(self, loop, state, metrics):
        if current.retry_count == 0:
            raise OSError("the disk is away")


class LoopFlow(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        data = ArrayDataset(x=[1.0, 2.0, 3.0, 4.0])
        loop = TrainingLoop(
            Follower(), data, n_epochs=2, batch_size=2, backend="plain", callbacks=[BreakOff()]
        )
        result = MetaflowStepAdapter.run(loop)
        self.model_hash, self.data_hash = result.model_hash, data.content_hash()
        self.captured = pe.TrainingArtifact.capture(loop, run=result.run_id).trained_model_hash
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    LoopFlow()
