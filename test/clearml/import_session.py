"""Imports offline sessions with the real ClearML client; the ids of the tasks are JSON in the last line."""

import json
import logging
import os
import sys

from clearml import Task

logging.disable(logging.CRITICAL)
print(json.dumps([Task.import_offline_session(path) for path in sys.argv[1:]]), flush=True)
# Its threads would hold the process for a minute and more.
os._exit(0)
