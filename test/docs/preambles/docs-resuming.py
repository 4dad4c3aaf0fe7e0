"""What the programs of docs/resuming.md have beside what they show."""

import pipekit_experiment as pe

RUN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
pe.start_run("train", run_id=RUN_ID).end()
