import os
import pickle
import subprocess
import sys
import threading
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from real_daemon import daemon_in, end
from registry_operators import DuckTyped, Forgetful, NoFromState, Pair, Scale

from pipekit_experiment import connect, errors
from pipekit_experiment._src import registry_weights
from pipekit_experiment._src.registry import DaemonRegistry
from pipekit_experiment.operators import Operator
from pipekit_experiment.registry import LocalModelRegistry

TRUST = ("registry_operators",)


@pytest.fixture
def registry(real_daemon, tmp_path):
    return LocalModelRegistry(tmp_path / "models", trust=TRUST)


def staged(real_daemon):
    return os.listdir(real_daemon.hello.staging_folder)


class TestStoreAndLoad:
    def test_an_operator_comes_back_with_its_weights(self, registry, real_daemon):
        hash = registry.store(Scale("km", 2.5))
        assert len(hash) == 64
        loaded = registry.load(hash)
        assert (type(loaded), loaded.unit, loaded(2.0)) == (Scale, "km", 5.0)
        assert registry.load_weights(hash[:8]) == b"2.5"
        assert staged(real_daemon) == []

    def test_an_operator_without_weights_comes_back_without(self, registry):
        hash = registry.store(Scale("km"))
        assert registry.load(hash).factor is None
        assert registry.load_weights(hash) is None
        assert not registry.stat(hash).has_weights

    def test_empty_weights_are_not_no_weights(self, registry):
        hash = registry.store(Scale("km"), weights=b"")
        assert registry.load_weights(hash) == b""
        assert hash != registry.store(Scale("km"))

    def test_anything_with_a_state_is_an_operator(self, registry):
        assert registry.load(registry.store(DuckTyped({"b": [1, None, "x"]}))).config == {"b": [1, None, "x"]}

    def test_storing_twice_gives_one_model(self, registry):
        assert registry.store(Scale("km", 1.0)) == registry.store(Scale("km", 1.0))
        assert len(registry.list()) == 1

    def test_identity_is_state_config_data_and_weights_and_nothing_else(self, registry):
        base = registry.store(Scale("km", 1.0))
        same = registry.store(Scale("km", 1.0), tags={"a": 1}, preview={"in": 1}, run="01J", name="x")
        assert base == same
        others = {
            registry.store(Scale("mi", 1.0)),
            registry.store(Scale("km", 2.0)),
            registry.store(Scale("km", 1.0), training_config={"lr": 0.1}),
            registry.store(Scale("km", 1.0), dataset_hash="ab12"),
        }
        assert len(others | {base}) == 5

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_weights_may_be_given(self, registry, kind):
        assert registry.load_weights(registry.store(Scale("km", 9.0), weights=kind(b"3.5"))) == b"3.5"

    def test_a_typed_view_is_stored_byte_by_byte(self, registry):
        view = memoryview(np.arange(4, dtype=np.float64))
        assert registry.load_weights(registry.store(Scale(), weights=view)) == view.tobytes()

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_file_of_weights_is_copied_and_left_alone(self, registry, tmp_path, kind):
        (tmp_path / "w").write_bytes(b"4.5")
        hash = registry.store(Scale("km"), weights=kind(tmp_path / "w"))
        assert registry.load_weights(hash) == b"4.5"
        (tmp_path / "w").write_bytes(b"changed")
        assert registry.load_weights(hash) == b"4.5"

    def test_a_big_file_never_enters_this_process(self, registry, tmp_path, monkeypatch):
        (tmp_path / "w").write_bytes(b"x" * 10_000_000)
        monkeypatch.setattr(registry_weights, "chunks", None)
        monkeypatch.setattr(registry_weights, "_write", None)
        hash = registry.store(Scale("km"), weights=tmp_path / "w")
        assert registry.stat(hash).weights_size == 10_000_000

    def test_weights_from_a_missing_file_or_of_another_type_are_refused(self, registry, tmp_path):
        with pytest.raises(FileNotFoundError, match=str(tmp_path / "none")):
            registry.store(Scale(), weights=tmp_path / "none")
        with pytest.raises(ValueError, match="The weights are a list"):
            registry.store(Scale(), weights=[1])

    def test_metadata_comes_back(self, registry):
        before = datetime.now(timezone.utc)
        hash = registry.store(
            Scale("km", 1.5),
            name="candidate",
            tags={"rmse": np.float32(0.5), "n": np.int64(3), "domain": "air", "nested": {"ä": [True, None]}},
            training_config={"lr": 0.1},
            dataset_hash="ab12",
            preview={"input": [1], "output": [1.5]},
            run="01JRUN",
        )
        info = registry.stat("candidate")
        assert info.hash == hash
        assert info.tags == {"rmse": 0.5, "n": 3, "domain": "air", "nested": {"ä": [True, None]}}
        assert info.state == {"module": "registry_operators", "class": "Scale", "config": {"unit": "km"}}
        assert (info.training_config, info.dataset_hash, info.run_id) == ({"lr": 0.1}, "ab12", "01JRUN")
        assert info.preview == {"input": [1], "output": [1.5]}
        assert (info.names, info.weights_size) == (("candidate",), 3)
        assert abs((info.created_at - before).total_seconds()) < 60

    def test_a_run_object_is_taken_by_its_id(self, registry):
        class HasId:
            run_id = "01JOBJ"

        assert registry.stat(registry.store(Scale(), run=HasId())).run_id == "01JOBJ"


class TestChunks:
    """What is used when daemon and client do not see the same files."""

    DATA = os.urandom(3 * registry_weights.CHUNK_BYTES + 17)

    @pytest.fixture
    def apart(self, real_daemon, monkeypatch):
        folder = real_daemon.hello.staging_folder
        real_daemon.hello.staging_folder = "/not/here"
        monkeypatch.setattr("pipekit_experiment._src.registry_calls.read_file", lambda path, size: None)
        yield
        real_daemon.hello.staging_folder = folder

    def test_bytes_and_files_travel_both_ways(self, registry, apart, tmp_path):
        hash = registry.store(Scale(), weights=self.DATA)
        assert registry.load_weights(hash) == self.DATA
        (tmp_path / "w").write_bytes(self.DATA)
        assert registry.store(Scale(), weights=tmp_path / "w") == hash

    def test_an_empty_file_travels_too(self, registry, apart):
        assert registry.load_weights(registry.store(Scale(), weights=b"")) == b""

    def test_one_id_whatever_the_way(self, registry, real_daemon):
        by_file = registry.store(Scale(), weights=self.DATA)
        real_daemon.hello.staging_folder, folder = "/not/here", real_daemon.hello.staging_folder
        try:
            assert registry.store(Scale(), weights=self.DATA) == by_file
        finally:
            real_daemon.hello.staging_folder = folder

    def test_a_folder_that_is_another_one_for_the_daemon_is_found_out(self, registry, monkeypatch):
        monkeypatch.setattr(
            "pipekit_experiment._src.registry_calls.handed_over",
            lambda weights, folder: nullcontext((f"{folder}/not-there", True)),
        )
        assert registry.load_weights(registry.store(Scale(), weights=self.DATA)) == self.DATA


class TestTrust:
    def test_untrusted_code_is_not_imported(self, real_daemon, tmp_path):
        (tmp_path / "evil_model.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        registry = LocalModelRegistry(tmp_path / "models")

        class Evil:
            state = {"module": "evil_model", "class": "Evil", "config": {}}  # noqa: RUF012

        hash = registry.store(Evil())
        sys.path.insert(0, str(tmp_path))
        try:
            with pytest.raises(PermissionError, match=r'evil_model.*trust=\["evil_model"\]') as caught:
                registry.load(hash)
        finally:
            sys.path.remove(str(tmp_path))
        assert isinstance(caught.value, errors.UntrustedModuleError)
        assert not (tmp_path / "ran").exists()

    def test_trust_may_be_given_at_the_call(self, real_daemon, tmp_path):
        registry = LocalModelRegistry(tmp_path / "models")
        hash = registry.store(Scale("km"))
        with pytest.raises(errors.UntrustedModuleError):
            registry.load(hash, trust=["registry"])
        assert registry.load(hash, trust=["registry_operators"]).unit == "km"
        with pytest.raises(TypeError, match="trust is a str"):
            registry.load(hash, trust="registry_operators")

    def test_states_nested_in_a_config_need_trust_too(self, registry):
        inner = {"module": "os", "class": "Popen", "config": {}}
        hash = registry.store(Pair([{"deep": [inner]}]))
        with pytest.raises(errors.UntrustedModuleError, match="module os"):
            registry.load(hash)
        assert registry.load(hash, trust=["os"]).parts == [{"deep": [inner]}]

    def test_what_a_trusted_module_imported_is_not_trusted_thereby(self, registry):
        class Borrower:
            state = {"module": "registry_operators", "class": "borrowed", "config": {}}  # noqa: RUF012

        with pytest.raises(errors.UntrustedModuleError, match="module collections"):
            registry.load(registry.store(Borrower()))

    def test_a_class_that_is_gone_or_no_operator_is_told(self, registry):
        class Gone:
            state = {"module": "registry_operators", "class": "Gone", "config": {}}  # noqa: RUF012

        with pytest.raises(TypeError, match="has no Gone"):
            registry.load(registry.store(Gone()))
        with pytest.raises(TypeError, match="not an Operator class"):
            registry.load(registry.store(NoFromState()))
        with pytest.raises(TypeError, match="with_weights returned None"):
            registry.load(registry.store(Forgetful()))
        with pytest.raises(TypeError, match="takes no weights"):
            registry.load(registry.store(Pair([]), weights=b"x"))
        with pytest.raises(TypeError, match="no `with_weights`"):
            registry.load(registry.store(DuckTyped(), weights=b"x"))


class TestBadInput:
    @pytest.mark.parametrize("thing", [1, "text", None, object(), Scale, {"module": "m"}])
    def test_what_is_no_operator_is_a_type_error_that_says_so(self, registry, thing):
        with pytest.raises(TypeError, match="not an Operator") as caught:
            registry.store(thing)
        assert isinstance(caught.value, errors.NotAnOperatorError)
        assert caught.value.field == "model_op"
        assert caught.value.mend

    @pytest.mark.parametrize("entry", ["module", "class", "config"])
    def test_a_state_that_lacks_an_entry_is_told(self, registry, entry):
        broken = Scale()
        state = {**broken.state}
        del state[entry]
        with pytest.raises(errors.NotAnOperatorError, match=f"no `{entry}`"):
            registry.store(type("Broken", (), {"state": state})())

    @pytest.mark.parametrize(
        ("config", "field"),
        [
            ({"a": {"b": [1, float("nan")]}}, "state.config.a.b[1]"),
            ({"a": float("inf")}, "state.config.a"),
            ({"a": 2**53 + 1}, "state.config.a"),
            ({"a": b"x"}, "state.config.a"),
            ({"a": {1: 2}}, "state.config.a"),
            ({"a": np.zeros(2)}, "state.config.a"),
            ({"a": {1, 2}}, "state.config.a"),
            ({"a": "\ud800"}, "state.config.a"),
        ],
    )
    def test_a_config_that_json_cannot_say_names_the_path(self, registry, config, field):
        with pytest.raises(ValueError, match="`state") as caught:
            registry.store(DuckTyped(config))
        assert isinstance(caught.value, errors.InvalidConfigError)
        assert caught.value.field == field

    def test_a_config_inside_itself_is_refused(self, registry):
        config = {}
        config["self"] = config
        with pytest.raises(errors.InvalidConfigError, match="levels deep"):
            registry.store(DuckTyped(config))

    def test_unknown_and_malformed_refs(self, registry):
        registry.store(Scale(), name="known")
        for ref in ("unknown", "f" * 64, "known@7", "known~3"):
            with pytest.raises(KeyError) as caught:
                registry.load(ref)
            assert isinstance(caught.value, errors.RefNotFoundError)
            assert not str(caught.value).startswith(("'", '"'))
        for ref in ("", "a/b", "../x", "known@x"):
            with pytest.raises(ValueError) as caught:  # noqa: PT011
                registry.resolve_tag(ref)
            assert isinstance(caught.value, errors.RefInvalidError)

    @pytest.mark.parametrize("name", ["a/b", "..", "_x", ".x", "deadbeef", "x" * 129])
    def test_bad_tag_names(self, registry, real_daemon, name):
        with pytest.raises(errors.TagNameInvalidError):
            registry.store(Scale("m", 2.0), name=name)
        assert staged(real_daemon) == []
        hash = registry.store(Scale())
        with pytest.raises(ValueError, match="tag"):
            registry.tag(hash, name)

    def test_a_wrong_spec(self, real_daemon):
        with pytest.raises(errors.InvalidRegistrySpecError):
            DaemonRegistry("gopher:x").list()

    def test_corrupted_weights_are_never_loaded(self, registry):
        hash = registry.store(Scale("km", 2.5))
        file = Path(registry.root, hash, "weights.bin")
        os.chmod(file, 0o600)
        file.write_bytes(b"9.5")
        with pytest.raises(errors.CorruptModelError):
            registry.load(hash)
        (found,) = registry.verify(hash)
        assert not found.ok
        assert "weights.bin" in found.problems[0]

    def test_truncated_metadata_is_a_corrupt_model(self, registry):
        hash = registry.store(Scale("km", 2.5))
        file = Path(registry.root, hash, "metadata.json")
        os.chmod(file, 0o600)
        file.write_bytes(file.read_bytes()[:-9])
        with pytest.raises(errors.CorruptModelError):
            registry.stat(hash)


class TestTags:
    def test_a_name_is_written_once_unless_forced_and_keeps_its_history(self, registry):
        first, second = registry.store(Scale("a")), registry.store(Scale("b"))
        registry.tag(first, "production", reason="first")
        registry.tag(first, "production")
        with pytest.raises(FileExistsError, match="production") as caught:
            registry.tag(second, "production")
        assert isinstance(caught.value, errors.TagExistsError)
        registry.tag(second[:10], "production", force=True, reason="better")
        assert registry.resolve_tag("production") == second
        assert registry.resolve_tag("production@1") == registry.resolve_tag("production~1") == first
        moves = registry.history("production")
        assert [(move.seq, move.hash, move.previous_hash, move.reason) for move in moves] == [
            (2, second, first, "better"),
            (1, first, "", "first"),
        ]
        assert "@" in moves[0].actor
        assert moves[0].at.tzinfo is timezone.utc
        assert registry.load("production").unit == "b"

    def test_store_with_a_name_follows_the_same_rule(self, registry):
        registry.store(Scale("a"), name="v")
        with pytest.raises(FileExistsError):
            registry.store(Scale("b"), name="v")
        second = registry.store(Scale("b"), name="v", force=True)
        assert registry.resolve_tag("v") == second

    def test_expected_makes_it_a_compare_and_swap(self, registry):
        first, second = registry.store(Scale("a")), registry.store(Scale("b"))
        registry.tag(first, "p")
        with pytest.raises(errors.TagConflictError):
            registry.tag(second, "p", force=True, expected=second)
        registry.tag(second, "p", force=True, expected=first)
        assert registry.resolve_tag("p") == second

    def test_an_ambiguous_prefix(self, registry, monkeypatch):
        hash = registry.store(Scale("a"))
        twin = hash[:8] + ("0" if hash[8] != "0" else "1") + hash[9:]
        os.mkdir(Path(registry.root, twin))
        (Path(registry.root, twin) / "metadata.json").write_text("{}")
        with pytest.raises(LookupError) as caught:
            registry.resolve_tag(hash[:8])
        assert isinstance(caught.value, errors.RefAmbiguousError)

    def test_list_filters_by_metadata(self, registry):
        a = registry.store(Scale("a"), tags={"domain": "air", "n": 1})
        b = registry.store(Scale("b"), tags={"domain": "sea", "n": 1})
        assert registry.list() == sorted([a, b])
        assert registry.list(tags={"domain": "sea"}) == [b]
        assert registry.list(tags={"n": 1, "domain": "air"}) == [a]
        assert registry.list(tags={"n": 2}) == []

    def test_verify_finds_sound_models_sound(self, registry):
        hashes = {registry.store(Scale("a", 1.0)), registry.store(Scale("b"))}
        found = registry.verify()
        assert {finding.hash for finding in found} == hashes
        assert all(finding.ok for finding in found)


class TestWatch:
    def test_moves_arrive_as_they_are_made(self, registry):
        first, second = registry.store(Scale("a"), name="p"), registry.store(Scale("b"))
        with registry.watch_tag("p") as watch:
            assert next(watch).hash == first
            mover = threading.Timer(0.05, lambda: registry.tag(second, "p", force=True))
            mover.start()
            assert next(watch).hash == second
            mover.join()
        assert list(watch) == []
        with registry.watch_tag("p", after_seq=1) as watch:
            assert next(watch).seq == 2

    def test_close_ends_a_thread_that_waits(self, registry):
        watch = registry.watch_tag("never")
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(watch))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        watch.close()
        thread.join(5)
        assert not thread.is_alive()
        assert seen == []

    def test_a_bad_name_is_told(self, registry):
        with pytest.raises(errors.TagNameInvalidError):
            next(registry.watch_tag("a/b"))


class TestProcesses:
    def test_a_model_is_found_from_another_process(self, registry):
        hash = registry.store(Scale("km", 2.5), name="shared")
        program = (
            "from pipekit_experiment import LocalModelRegistry\n"
            f"r = LocalModelRegistry({registry.root!r}, trust=['registry_operators'])\n"
            "print(r.resolve_tag('shared'), r.load('shared')(2.0))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.stdout.split() == [hash, "5.0"], done.stderr

    def test_a_registry_may_be_pickled_and_used_after_a_fork(self, registry):
        registry.store(Scale("km"), name="shared")
        again = pickle.loads(pickle.dumps(registry))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                told = again.resolve_tag("shared")
            except BaseException as error:
                told = repr(error)
            os.write(write, told.encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            assert pipe.read() == registry.resolve_tag("shared")
        os.waitpid(child, 0)

    def test_a_fork_during_a_call_is_silent_and_works(self, registry):
        registry.store(Scale("km"), name="shared")
        program = (
            "import os, threading, warnings; warnings.simplefilter('ignore')\n"
            "from pipekit_experiment import LocalModelRegistry\n"
            f"r = LocalModelRegistry({registry.root!r})\n"
            "watch = r.watch_tag('shared'); next(watch)\n"
            "threading.Thread(target=lambda: list(watch)).start()\n"
            "for _ in range(3):\n"
            "    child = os.fork()\n"
            "    if child == 0: os._exit(len(r.resolve_tag('shared')))\n"
            "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 64\n"
            "watch.close()"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")

    def test_calls_and_watches_outlive_the_daemon(self, tmp_path):
        with daemon_in(tmp_path) as made:
            registry = LocalModelRegistry(trust=TRUST)
            first, second = registry.store(Scale("a"), name="p"), registry.store(Scale("b"))
            watch = registry.watch_tag("p")
            assert next(watch).hash == first
            end(made.hello.pid)
            assert registry.resolve_tag("p") == first
            successor = connect(start=False).hello.pid
            assert successor != made.hello.pid
            mover = threading.Timer(0.5, lambda: registry.tag(second, "p", force=True))
            mover.start()
            assert next(watch).hash == second, "the watch goes on from where it was"
            mover.join()
            watch.close()
            end(successor)


def test_the_default_registry_is_the_one_in_the_state_folder(real_daemon):
    hash = LocalModelRegistry().store(Scale("default"))
    assert Path(real_daemon.hello.state_folder, "models", hash, "metadata.json").exists()


def test_the_protocol_is_satisfied(registry):
    from pipekit_experiment._src.protocols import ModelRegistry

    assert isinstance(registry, ModelRegistry)


def test_an_operator_that_takes_no_weights_says_so():
    with pytest.raises(TypeError, match="takes no weights"):
        Operator().with_weights(b"x")
