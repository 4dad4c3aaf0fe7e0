"""Processes that tag one Metaflow run at the same moment: argv is its flow and id."""

import multiprocessing
import sys

import metaflow

from pipekit_experiment._src.metaflow.link import link
from pipekit_experiment._src.metaflow.task import MetaflowTask

PROCESSES, TAGS = 6, 6


def tag(barrier, flow, run, number):
    metaflow.current._set_env(run_id=run)
    metaflow.current._flow_name = flow
    task = MetaflowTask(metaflow.get_metadata(), flow, run, "step", "1", 0, "", run, ())
    for nth in range(TAGS):
        barrier.wait()
        link(task, f"process{number}-{nth}")


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(PROCESSES)
    children = [context.Process(target=tag, args=(barrier, *sys.argv[1:], n)) for n in range(PROCESSES)]
    for child in children:
        child.start()
    for child in children:
        child.join()
