import json

import pytest
from tracking_daemon import run_script

from pipekit_experiment._src.spool import spool_files

PRELUDE = """
import multiprocessing, os, sys, time
import pipekit_experiment as pe
def wait(child):
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def run_id_of(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


def writers(daemon, run_id):
    return {frame.writer_id for frame in daemon.frames if frame.run_id == run_id}


def test_a_forked_child_logs_to_the_run_with_a_writer_of_its_own(daemon):
    done = run_script(
        PRELUDE
        + """
run = pe.start_run("x")
for step in range(100):
    run.log({"parent": float(step)}, step)
child = os.fork()
if child == 0:
    assert run.pending == 0, "what the parent has buffered is the parent's"
    for step in range(100):
        run.log({"child": float(step)}, step)
    os._exit(0 if run.flush(20) else 1)
wait(child)
for step in range(100, 200):
    run.log({"parent": float(step)}, step)
run.end()
print(run.run_id)
"""
    )
    run_id = run_id_of(done)
    points = daemon.points(run_id)
    assert points["parent"] == [(step, float(step)) for step in range(200)]
    assert points["child"] == [(step, float(step)) for step in range(100)]
    assert len(writers(daemon, run_id)) == 2
    assert done.stderr == ""


def test_a_child_ends_only_what_it_has_started(daemon):
    done = run_script(
        PRELUDE
        + """
run = pe.start_run("x")
child = os.fork()
if child == 0:
    run.log({"child": 1.0})
    with pe.start_run("mine") as mine:
        mine.log({"a": 1.0})
    print(mine.run_id, flush=True)
    sys.exit(0)
wait(child)
run.log({"parent": 1.0})
run.end()
print(run.run_id)
"""
    )
    assert done.returncode == 0, done.stderr
    mine, run_id = done.stdout.split()
    assert set(daemon.points(run_id)) == {"parent", "child"}
    assert len(daemon.records(run_id, "end")) == 1
    assert len(daemon.records(mine, "end")) == 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing(daemon, method, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        PRELUDE
        + f"""
def work(number):
    with pe.start_run(f"worker {{number}}") as own:
        own.log({{"a": float(number)}})
    left_open = pe.start_run(f"left open {{number}}")
    left_open.log({{"a": float(number)}})

if __name__ == "__main__":
    run = pe.start_run("parent")
    run.log({{"a": 1.0}})
    context = multiprocessing.get_context("{method}")
    workers = [context.Process(target=work, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    run.end()
    print(run.run_id)
"""
    )
    done = run_script(f"import runpy\nrunpy.run_path({str(program)!r}, run_name='__main__')")
    if method == "spawn":
        # A spawned worker imports the main program by its path.
        import os
        import subprocess
        import sys

        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run(
            [sys.executable, str(program)], capture_output=True, text=True, timeout=60, env=environment
        )
    run_id_of(done)
    names = {frame.records[0].start.name: frame.run_id for frame in daemon.frames if frame.seq == 1}
    for number in range(3):
        for name in (f"worker {number}", f"left open {number}"):
            run_id = names[name]
            assert daemon.points(run_id) == {"a": [(0, float(number))]}
            assert len(daemon.records(run_id, "end")) == 1, name


def test_a_fork_in_the_middle_of_everything_neither_hangs_nor_doubles(daemon):
    done = run_script(
        PRELUDE
        + """
import threading
run = pe.start_run("x")
stop = False
def work(number):
    step = 0
    while not stop:
        run.log({f"t{number}": 1.0}, step)
        step += 1
        time.sleep(0.0002)
threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
for thread in threads: thread.start()
for i in range(10):
    child = os.fork()
    if child == 0:
        run.log({"child": float(i)}, i)
        os._exit(0 if run.flush(20) else 1)
    wait(child)
stop = True
for thread in threads: thread.join()
run.end()
import json
print(run.run_id)
print(json.dumps(run.metrics))
"""
    )
    run_id = run_id_of(done)
    points = daemon.points(run_id)
    assert sorted(points["child"]) == [(i, float(i)) for i in range(10)]
    for number in range(3):
        assert [step for step, _ in points[f"t{number}"]] == list(range(len(points[f"t{number}"])))
    assert "child" not in json.loads(done.stdout.split("\n")[1])


def test_without_a_daemon_a_childs_frames_wait_for_the_start_of_their_run(daemon):
    daemon.stop()
    done = run_script(
        PRELUDE
        + """
import warnings
warnings.simplefilter("ignore")
run = pe.start_run("x")
child = os.fork()
if child == 0:
    run.log({"child": 1.0})
    run.end(timeout_s=1)
    os._exit(0)
wait(child)
run.log({"parent": 1.0})
run.end(timeout_s=1)
print(run.run_id)
"""
    )
    run_id = run_id_of(done)
    files = spool_files(daemon.folder / "spool")
    assert len(files) == 2
    # The child's frames are handed over first: the daemon does not know the run yet.
    hidden = daemon.folder / "hidden"
    first = max(files, key=lambda file: file.name)
    other = min(files, key=lambda file: file.name)
    other.rename(hidden)
    daemon.start()
    import threading

    import pipekit_experiment as pe

    waiting = threading.Timer(0.7, lambda: (hidden.rename(other), pe.replay_spool(10)))
    waiting.start()
    pe.replay_spool(20)
    waiting.join()
    daemon.wait_for(lambda: daemon.count(run_id) == 2)
    assert daemon.points(run_id) == {"parent": [(0, 1.0)], "child": [(0, 1.0)]}
    assert not first.exists()
