"""What the programs of docs/datasets.md have beside what they show."""

import os
import subprocess
from types import SimpleNamespace

os.makedirs("work/project/data/train")
with open("work/project/data/train/a.csv", "w") as file:
    file.write("x\n1\n")
here = "work/project"
subprocess.run(["git", "init", "--quiet"], check=True, cwd=here)
subprocess.run(["dvc", "init", "--quiet"], check=True, cwd=here)
storage = os.getcwd() + "/storage"
subprocess.run(["dvc", "remote", "add", "--default", "storage", storage], check=True, cwd=here)
artifact = SimpleNamespace(dataset_hash="", metadata={})
