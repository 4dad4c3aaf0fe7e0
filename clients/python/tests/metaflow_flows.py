"""Runs the flows of tests/flows in processes of their own, with Metaflow's local metadata and datastore."""

import os
import subprocess
import sys
from pathlib import Path

import metaflow

from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub

FLOWS = Path(__file__).parent / "flows"


class Flows:
    """Metaflow in one folder, seen by the daemon of the environment."""

    def __init__(self, folder, connection):
        self.folder, self.connection = folder, connection
        (folder / ".metaflow").mkdir()
        metaflow.metadata(f"local@{folder}")
        metaflow.namespace(None)

    def start(self, name, *arguments, fails=False, **environment):
        """Runs a flow to its end, and returns its run in Metaflow's client."""
        self.execute(name, *(arguments or ("run",)), fails=fails, **environment)
        return next(iter(metaflow.Flow("".join(part.title() for part in name.split("_")))))

    def execute(self, name, *arguments, fails=False, **environment):
        """Executes a script of the folder to its end; `output` is what it has printed."""
        python_path = os.pathsep.join([str(FLOWS), str(FLOWS.parent), os.environ["PYTHONPATH"]])
        done = subprocess.run(
            [sys.executable, str(FLOWS / f"{name}.py"), *arguments],
            env={
                **os.environ,
                "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(self.folder),
                "METAFLOW_DEFAULT_METADATA": "local",
                "METAFLOW_DEFAULT_DATASTORE": "local",
                "METAFLOW_HOME": str(self.folder / "home"),
                "USERNAME": "tester",
                "PYTHONPATH": python_path,
                **environment,
            },
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        self.output = done.stdout
        assert (done.returncode != 0) == fails, done.stdout

    def runs(self, flow):
        """The daemon's runs of a flow of this folder, oldest first."""
        listed = TrackerServiceStub(self.connection.channel).ListRuns(pb.ListRunsRequest(page_size=1000))
        return [run for run in reversed(listed.runs) if run.tags.get("metaflow/flow") == flow]

    def series(self, run_id):
        """Summaries of the metrics of a run."""
        request = pb.GetRunRequest(run_id=run_id)
        return TrackerServiceStub(self.connection.channel).GetRun(request).run.series
