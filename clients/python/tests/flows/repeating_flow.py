"""A step that comes after itself, as newer versions of Metaflow allow."""

from flow_work import Double
from metaflow import FlowSpec, step

from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter


class RepeatingFlow(FlowSpec):
    @step
    def start(self):
        self.rows, self.run_ids = [1], []
        self.next(self.grow)

    @step
    def grow(self):
        result = MetaflowStepAdapter.run(Double(), self, inputs=["rows"])
        self.rows, self.run_ids = result.output, [*self.run_ids, result.run_id]
        self.more = "yes" if self.rows[0] < 8 else "no"
        self.next({"yes": self.grow, "no": self.end}, condition="more")

    @step
    def end(self):
        pass


if __name__ == "__main__":
    RepeatingFlow()
