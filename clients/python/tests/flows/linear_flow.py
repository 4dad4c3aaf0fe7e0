"""preprocess -> train -> evaluate, as in the seed design."""

from flow_work import Double, MeanLoop
from metaflow import FlowSpec, JSONType, Parameter, get_namespace, namespace, step

import pipekit_experiment as pe
from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter

TRUST = ["registry_operators"]


class LinearFlow(FlowSpec):
    raw = Parameter("raw", type=JSONType, default="[1, 2, 3]")

    @step
    def start(self):
        self.next(self.preprocess)

    @step
    @MetaflowStepAdapter.as_step(Double(), name="features", inputs=["raw"])
    def preprocess(self):
        self.doubled = list(self.features)
        self.next(self.train)

    @step
    def train(self):
        namespace("user:somebody-else")
        loop = MeanLoop(self.features, [pe.LogToExperiment(pe.Tracker(), config={"by": "callback"})])
        result = MetaflowStepAdapter.run(loop)
        self.namespace_after = get_namespace()
        self.trained = result.operator.factor
        self.model_hash = result.model_hash
        self.result = result
        self.next(self.evaluate)

    @step
    def evaluate(self):
        model = pe.LocalModelRegistry(trust=TRUST).load(self.model_hash)
        self.prediction = model(10)
        self.same = self.result.load(trust=TRUST).factor
        called = MetaflowStepAdapter.as_step(Double(), name="again", inputs=["features"])(self)
        self.called = called.output
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    LinearFlow()
