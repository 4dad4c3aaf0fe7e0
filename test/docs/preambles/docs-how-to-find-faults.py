"""A reader of that page has had a daemon before."""

import pipekit_experiment as pe

with pe.start_run("before"):
    pass
