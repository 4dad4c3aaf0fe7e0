"""A trainer in a pod: trainer.py POINTS SINK [stay]. Logs so many points.

Prints `started ID`, and `logged N` after each point. With `stay` it then waits for SIGTERM, and logs five
points more, as a last checkpoint does.
"""

import signal
import sys
import threading

import pipekit_experiment as pe

points, sink, stays = int(sys.argv[1]), sys.argv[2], "stay" in sys.argv[3:]
asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())

with pe.start_run("pod", sinks=[sink]) as run:
    print("started", run.run_id, flush=True)
    for step in range(points):
        run.log({"loss": float(step)}, step)
        print("logged", step + 1, flush=True)
    if stays:
        asked.wait()
        for step in range(points, points + 5):
            run.log({"loss": float(step)}, step)
            print("logged", step + 1, flush=True)
