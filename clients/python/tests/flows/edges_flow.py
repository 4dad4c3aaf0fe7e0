"""What is refused, what is only told, and several pieces of work in one step. Each step keeps what it saw."""

import os
import threading

from flow_work import Double, MeanLoop
from metaflow import FlowSpec, current, step

import pipekit_experiment as pe
from pipekit_experiment.adapters.metaflow import MetaflowStepAdapter

run, as_step = MetaflowStepAdapter.run, MetaflowStepAdapter.as_step


class OwnTracker:
    """A tracker of the user's, which the daemon does not serve."""

    def __init__(self):
        self.calls = []

    def start_run(self, name, config):
        self.calls.append("start")
        return pe.Run("own")

    def log_metrics(self, run, metrics, step):
        self.calls.append(step)

    def log_artifact(self, run, path, name):
        pass

    def end_run(self, run, status):
        self.calls.append(status)


class OwnRegistry:
    """A registry of the user's that cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()
        self.stored = {}

    def store(self, model_op, *, name=None, tags=None):
        self.stored["h"] = (model_op, tags)
        return "h"

    def load(self, ref):
        return self.stored[ref][0]

    def list(self, *, tags=None):
        return list(self.stored)

    def tag(self, hash, name):
        pass


def told(call):
    """The class of what a call raises, the field at fault, and the sentence."""
    try:
        call()
    except Exception as error:
        return type(error).__name__, getattr(error, "field", ""), str(error)
    return None


class EdgesFlow(FlowSpec):
    @step
    def start(self):
        self.rows = [1, 2]
        lost = MeanLoop([1])
        lost.dataset.content_hash = lambda: {}["the data"]
        double = Double()
        self.refused = [
            told(lambda: run(double, self, inputs=["nothing"])),
            told(lambda: run(double, self, inputs="rows")),
            told(lambda: run(double, inputs=["rows"])),
            told(lambda: run(7)),
            told(lambda: run(double, self, inputs=["rows"], config=7)),
            told(lambda: run(lost)),
            told(lambda: run(MeanLoop([1]), sinks=["x://y"])),
            told(lambda: as_step(double, name="end", inputs=["rows"])(self)),
            told(lambda: as_step(double, name="_hidden")),
            told(lambda: as_step(7, name="seven")),
        ]
        self.raised = told(lambda: run(lambda: 1 / 0, name="divide"))
        self.next(self.work)

    @step
    def work(self):
        own = OwnTracker()
        trackers = [pe.Tracker(), own, pe.Tracker()]
        loop = MeanLoop([1, 2], [pe.LogToExperiment(tracker) for tracker in trackers])
        before = list(loop.callbacks)
        registry = OwnRegistry()
        self.result = run(loop, name="stacked", registry=registry)
        self.put_back = loop.callbacks == before
        self.own_calls, self.own_tags = own.calls, registry.stored["h"][1]
        self.twice = [run(Double(), self, name="twice", inputs=["rows"]).run_id for _ in range(2)]
        threaded = []
        thread = threading.Thread(
            target=lambda: threaded.append(run(Double(), self, name="threaded", inputs=["rows"]))
        )
        thread.start()
        thread.join()
        self.threaded = threaded[0]
        self.next(self.full)

    @step
    def full(self):
        current.run.add_tags([f"tag{number}" for number in range(50 - len(current.run.user_tags))])
        self.output = run(Double(), self, inputs=["rows"]).output
        self.next(self.away)

    @step
    def away(self):
        os.environ.update(
            PKX_STATE_DIR=self.elsewhere(), PKX_RUNTIME_DIR=self.elsewhere(), PKX_NODE="/no/node"
        )
        self.kept = run(Double(), self, inputs=["rows"])
        self.not_stored = told(lambda: run(MeanLoop([1, 2])))
        self.next(self.end)

    def elsewhere(self):
        return os.path.join(os.environ["METAFLOW_DATASTORE_SYSROOT_LOCAL"], "x")

    @step
    def end(self):
        pass


if __name__ == "__main__":
    EdgesFlow()
