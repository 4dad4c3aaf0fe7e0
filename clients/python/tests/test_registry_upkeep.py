"""Pins, collections, copies, differences and progress, against a fake daemon."""

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from fake_registry import MODEL, fake_registry
from registry_operators import Scale

from pipekit_experiment import errors
from pipekit_experiment._generated import errors_pb2
from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment.registry import DaemonRegistry, Progress

AT_US = 1_700_000_000_000_000
AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
PROGRESS = pb.Progress(phase="sending", bytes_done=1, bytes_total=4, models_done=1, models_total=2)


@pytest.fixture
def fake(tmp_path):
    with fake_registry(tmp_path) as made:
        yield made


@pytest.fixture
def registry():
    return DaemonRegistry("local:/srv/models")


class TestTags:
    def test_rollback_delete_and_list(self, fake, registry):
        move = pb.TagMove(name="p", seq=3, hash="a" * 64, previous_hash="b" * 64, actor="me", at_us=AT_US)
        fake.answers["RollbackTag"] = pb.RollbackTagResponse(move=move)
        assert registry.rollback("p", 2, reason="worse").seq == 3
        fake.answers["DeleteTag"] = pb.DeleteTagResponse(move=pb.TagMove(name="p", seq=4, at_us=AT_US))
        gone = registry.delete_tag("p", expected="a" * 64, reason="old")
        assert (gone.deleted, gone.hash, gone.at) == (True, "", AT)
        fake.answers["ListTags"] = pb.ListTagsResponse(tags=[move])
        assert registry.tags() == {"p": "a" * 64}
        (_, rollback), (_, delete), _ = fake.asked
        assert (rollback.registry, rollback.steps, rollback.reason) == ("local:/srv/models", 2, "worse")
        assert (delete.expected_hash, delete.reason) == ("a" * 64, "old")
        assert "@" in rollback.actor
        assert "@" in delete.actor


class TestWatch:
    AWAY = errors_pb2.ErrorDetail(
        code=errors_pb2.ERROR_CODE_REGISTRY_UNAVAILABLE, message="The server does not answer."
    )
    MOVE = pb.WatchTagResponse(move=pb.TagMove(name="p", seq=7, hash="a" * 64))

    def test_a_server_that_was_there_is_waited_for(self, fake, registry):
        fake.answers["WatchTag"] = [self.AWAY, [], [self.MOVE]]
        with registry.watch_tag("p", after_seq=6) as watch:
            assert next(watch).seq == 7
        assert [request.after_seq for _, request in fake.asked] == [6, 6, 6]

    def test_one_that_never_was_is_told(self, fake, registry):
        fake.answers["WatchTag"] = [self.AWAY]
        with pytest.raises(errors.RegistryUnavailableError):
            next(registry.watch_tag("p"))


class TestPins:
    def test_pin_unpin_and_list(self, fake, registry):
        pin = pb.Pin(hash="a" * 64, actor="me", at_us=AT_US, reason="audit")
        fake.answers["Pin"] = pb.PinResponse(pin=pin)
        assert registry.pin("production", reason="audit").at == AT
        fake.answers["Unpin"] = pb.UnpinResponse(removed=True)
        assert registry.unpin("production") is True
        fake.answers["ListPins"] = pb.ListPinsResponse(pins=[pin])
        assert [(each.hash, each.actor, each.reason) for each in registry.pins()] == [
            ("a" * 64, "me", "audit")
        ]


def collected(dry_run, **entry):
    entries = [
        pb.GcEntry(hash="a" * 64, bytes=3 * 1024**3, stored_at_us=AT_US, deleted=not dry_run, **entry),
        pb.GcEntry(hash="b" * 64, bytes=512, stored_at_us=AT_US, deleted=not dry_run, remains=True),
    ]
    summary = pb.GcSummary(
        models=12,
        kept={"tagged": 8, "young": 3},
        candidates=2,
        candidate_bytes=3 * 1024**3 + 512,
        deleted=0 if dry_run else 2,
        deleted_bytes=0 if dry_run else 3 * 1024**3 + 512,
        litter=1,
        litter_bytes=2048,
        dry_run=dry_run,
    )
    return [
        pb.GcResponse(progress=PROGRESS),
        *(pb.GcResponse(entry=each) for each in entries),
        pb.GcResponse(summary=summary),
    ]


class TestGc:
    def test_a_dry_run_is_a_readable_plan(self, fake, registry):
        fake.answers["Gc"] = collected(dry_run=True)
        plan = registry.gc()
        assert [(entry.hash[0], entry.bytes, entry.deleted, entry.remains) for entry in plan.entries] == [
            ("a", 3 * 1024**3, False, False),
            ("b", 512, False, True),
        ]
        assert plan.summary.kept == {"tagged": 8, "young": 3}
        assert str(plan).splitlines() == [
            "1 model and 1 remnant of 12 would go, 3.0 GiB:",
            "  aaaaaaaaaaaa     3.0 GiB  stored 2023-11-14 22:13",
            "  bbbbbbbbbbbb       512 B  stored 2023-11-14 22:13, remains",
            "Kept: 8 tagged, 3 young.",
            "1 leftover of broken-off work, 2.0 KiB, found.",
            "Nothing was deleted: give apply=True.",
        ]

    def test_an_applied_one_tells_what_was_deleted_and_what_stayed(self, fake, registry):
        fake.answers["Gc"] = collected(dry_run=False, kept_because="It was tagged meanwhile.")
        text = str(registry.gc(apply=True))
        assert "1 model and 1 remnant of 12 had nothing to keep them, 2 deleted, 3.0 GiB:" in text
        assert "kept: It was tagged meanwhile." in text
        assert "removed." in text
        assert "apply" not in text

    def test_nothing_to_do_is_one_line_and_many_entries_are_counted(self, fake, registry):
        fake.answers["Gc"] = [pb.GcResponse(summary=pb.GcSummary(models=1, dry_run=True))]
        assert str(registry.gc()) == "Something keeps each of 1 model."
        entry = pb.GcResponse(entry=pb.GcEntry(hash="a" * 64))
        summary = pb.GcSummary(models=30, candidates=30, dry_run=True)
        fake.answers["Gc"] = [*[entry] * 30, pb.GcResponse(summary=summary)]
        assert "  and 10 more" in str(registry.gc()).splitlines()

    def test_the_policy_takes_seconds_and_timedeltas_and_leaves_out_what_is_not_given(self, fake, registry):
        fake.answers["Gc"] = collected(dry_run=True)
        registry.gc()
        registry.gc(
            apply=True,
            keep_last=5,
            min_age=timedelta(days=7),
            keep_moves=3,
            keep_moved=0.5,
            keep_metadata=[{"team": "a"}],
        )
        (_, plain), (_, full) = fake.asked
        fields = ("min_age_us", "keep_moves", "keep_moved_us")
        assert [plain.policy.HasField(field) for field in fields] == [False] * 3
        assert (plain.apply, plain.policy.keep_last) == (False, 0)
        policy = full.policy
        assert (full.apply, policy.keep_last, policy.min_age_us) == (True, 5, 7 * 86400 * 1_000_000)
        assert (policy.keep_moves, policy.keep_moved_us) == (3, 500_000)
        assert list(policy.keep_metadata_json) == ['{"team":"a"}']
        registry.gc(min_age=0)
        assert fake.asked[-1][1].policy.HasField("min_age_us")

    def test_a_negative_age_is_refused(self, registry):
        with pytest.raises(ValueError, match="min_age") as caught:
            registry.gc(min_age=timedelta(days=-1))
        assert caught.value.field == "min_age"

    @pytest.mark.parametrize("field", ["min_age", "keep_moved", "keep_last", "keep_moves"])
    @pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, 2**70])
    def test_what_no_message_can_carry_is_refused_by_name(self, registry, field, value):
        with pytest.raises(errors.InvalidArgumentError) as caught:
            registry.gc(**{field: value})
        assert (caught.value.field, bool(caught.value.mend)) == (field, True)

    def test_so_are_steps_and_a_place_in_a_history(self, registry):
        for call in (lambda: registry.rollback("p", 2**70), lambda: registry.watch_tag("p", 2**70)):
            with pytest.raises(errors.InvalidArgumentError, match="is 1180591620717411303424"):
                call()

    def test_an_abort_is_typed(self, fake, registry):
        fake.answers["Gc"] = errors_pb2.ErrorDetail(
            code=errors_pb2.ERROR_CODE_GC_ABORTED, message="The tag p cannot be read.", mend="Verify."
        )
        with pytest.raises(errors.GcAbortedError, match="cannot be read"):
            registry.gc()

    def test_what_the_progress_function_raises_ends_the_call(self, fake, registry):
        fake.answers["Gc"] = collected(dry_run=True)[:1]
        fake.hang = True

        def stop(_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            registry.gc(progress=stop)
        assert fake.over.wait(5)


class TestCopies:
    EVENTS = (
        pb.CopyEvent(progress=PROGRESS),
        pb.CopyEvent(model=pb.CopiedModel(hash="a" * 64, created=True, bytes=2048)),
        pb.CopyEvent(model=pb.CopiedModel(hash="b" * 64, created=False, bytes=9)),
        pb.CopyEvent(tag=pb.CopiedTag(name="production", moves=3)),
        pb.CopyEvent(tag=pb.CopiedTag(name="beta", problem="It went another way.")),
        pb.CopyEvent(summary=pb.CopySummary(models=2, created=1, bytes=2048, tags=1, problems=1)),
    )

    def test_a_copy_is_reported(self, fake, registry):
        fake.answers["Copy"] = [pb.CopyResponse(event=event) for event in self.EVENTS]
        told = []
        report = registry.copy_to(DaemonRegistry("s3://b/m/"), "production", force=True, progress=told.append)
        assert told == [Progress("sending", 1, 4, 1, 2)]
        assert report.created == ("a" * 64,)
        assert report.problems == {"beta": "It went another way."}
        assert str(report).splitlines() == [
            "2 models, 1 of them new, 2.0 KiB; 1 tag.",
            "Tag beta was left as it is: It went another way.",
        ]
        request = fake.asked[0][1]
        assert (request.target, list(request.refs)) == ("s3://b/m/", ["production"])
        assert (request.force, request.without_tags) == (True, False)
        registry.copy_to("local:/x", ["a" * 8, "b" * 8], tags=False)
        request = fake.asked[1][1]
        assert (request.target, len(request.refs), request.without_tags) == ("local:/x", 2, True)

    def test_archives_have_absolute_paths(self, fake, registry, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        fake.answers["Export"] = [pb.ExportResponse(event=event) for event in self.EVENTS]
        fake.answers["Import"] = [pb.ImportResponse(event=event) for event in self.EVENTS]
        registry.export("m.tar", ["production"], overwrite=True)
        report = registry.import_archive(tmp_path / "m.tar", force=True, tags=False)
        assert len(report.models) == 2
        (_, export), (_, take_in) = fake.asked
        assert (export.path, take_in.path) == (str(tmp_path / "m.tar"),) * 2
        assert (export.overwrite, list(export.refs)) == (True, ["production"])
        assert (take_in.force, take_in.without_tags) == (True, True)

    def test_a_stream_without_a_summary_is_a_failure(self, fake, registry):
        fake.answers["Copy"] = [pb.CopyResponse(event=self.EVENTS[1])]
        with pytest.raises(errors.InternalError, match="incomplete"):
            registry.copy_to("local:/x")


class TestDiff:
    def test_differences_read_well(self, fake, registry):
        fake.answers["Diff"] = pb.DiffResponse(
            hash_a="a" * 64,
            hash_b="b" * 64,
            entries=[
                pb.DiffEntry(document="operator", path="config.width", a_json="32", b_json="64"),
                pb.DiffEntry(document="dataset_hash", b_json=f'"{"x" * 99}"'),
            ],
            tensors=[
                pb.TensorDiff(name="w", a_type="F32 [2]", b_type="F32 [2]", max_difference=0.25),
                pb.TensorDiff(name="c", a_type="I4 [2]", b_type="I4 [2]"),
                pb.TensorDiff(name="b", a_type="F32 [2]"),
            ],
            tensors_compared=True,
            same_tensors=7,
        )
        diff = registry.diff("production~1", "production")
        assert not diff.same
        assert [tensor.max_difference for tensor in diff.tensors] == [0.25, None, None]
        assert str(diff).splitlines() == [
            "aaaaaaaaaaaa and bbbbbbbbbbbb differ:",
            "  operator config.width: 32 -> 64",
            f'  dataset_hash: absent -> "{"x" * 56}...',
            "  tensor w: F32 [2], differs by 0.25 at most",
            "  tensor c: I4 [2], other values",
            "  tensor b: F32 [2] -> absent",
            "  weights: 7 tensors the same, 3 not",
        ]

    def test_the_same_and_the_opaque(self, fake, registry):
        fake.answers["Diff"] = pb.DiffResponse(hash_a="a" * 64, hash_b="a" * 64, same_weights=True)
        assert registry.diff("a", "a").same
        assert str(registry.diff("a", "a")).endswith("differ in nothing.")
        fake.answers["Diff"] = pb.DiffResponse(hash_a="a" * 64, hash_b="b" * 64)
        assert "cannot be told apart" in str(registry.diff("a", "b"))
        entry = pb.DiffEntry(document="metadata", path="x", a_json="1", b_json="2")
        fake.answers["Diff"] = pb.DiffResponse(entries=[entry] * 50, same_weights=True)
        assert str(registry.diff("a", "b")).splitlines()[-2:] == [
            "  and 10 differences more",
            "  weights: the same",
        ]


def test_verify_may_be_quick(fake, registry):
    fake.answers["Verify"] = [pb.VerifyResponse(hash="a" * 64, problems=["Gone."])]
    (finding,) = registry.verify("production", quick=True)
    assert (finding.ok, finding.problems) == (False, ("Gone.",))
    assert fake.asked[0][1].quick


class TestInterrupts:
    """Ctrl-C in a call ends it in the daemon too."""

    @pytest.mark.parametrize(
        "call",
        [
            "registry.store(Scale(), weights=b'x', progress=False)",
            "registry.store(Scale(), weights=b'x', progress=repr)",
            "registry.load_weights('production')",
            "registry.verify()",
            "registry.gc()",
            "registry.copy_to('local:/x')",
        ],
    )
    def test_an_interrupted_call_is_cancelled(self, fake, call):
        fake.hang = True
        fake.answers = dict.fromkeys(("Load", "Verify", "Gc", "Copy"), ())
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        program = Path(__file__).with_name("interrupted_call.py")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, program, call], env=env, **pipes) as child:
            assert child.stdout.readline() == "waits\n"
            assert not fake.over.is_set()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert fake.over.wait(10)


class TestProgress:
    WEIGHTS = os.urandom(3 * 1024 * 1024 + 5)

    def test_a_store_asks_for_progress_only_when_someone_looks(self, fake, registry):
        assert registry.store(Scale(), weights=self.WEIGHTS) == MODEL.hash
        assert registry.store(Scale(), weights=self.WEIGHTS, progress=False) == MODEL.hash
        told = []
        assert registry.store(Scale(), weights=self.WEIGHTS, progress=told.append) == MODEL.hash
        assert [name for name, _ in fake.asked] == ["Store", "Store", "StoreWithProgress"]
        assert told[-1] == Progress("receiving", len(self.WEIGHTS), 0)
        sent = [b"".join(request.weights_chunk for request in requests) for _, requests in fake.asked]
        assert sent == [self.WEIGHTS] * 3

    def test_a_load_tells_of_the_daemon_and_of_itself(self, fake, registry):
        model = pb.Model(hash="a" * 64, has_weights=True, weights_size=6)
        fake.answers["Load"] = [
            pb.LoadResponse(progress=pb.Progress(phase="fetching", bytes_done=3, bytes_total=6)),
            pb.LoadResponse(header=pb.LoadHeader(model=model)),
            pb.LoadResponse(weights_chunk=b"abc"),
            pb.LoadResponse(weights_chunk=b"def"),
        ]
        told = []
        assert registry.load_weights("production", progress=told.append) == b"abcdef"
        assert [(each.phase, each.bytes_done) for each in told] == [
            ("fetching", 3),
            ("fetching", 3),
            ("loading", 3),
            ("loading", 6),
        ]
        assert registry.load_weights("production") == b"abcdef"
        assert [request.progress for _, request in fake.asked] == [True, True, False, False]

    def test_where_there_is_no_room_for_a_file_weights_come_in_chunks(self, fake, registry):
        model = pb.Model(hash="a" * 64, has_weights=True, weights_size=3)
        full = errors_pb2.ErrorDetail(code=errors_pb2.ERROR_CODE_STORAGE_FULL, field="by_path")
        in_chunks = [
            pb.LoadResponse(header=pb.LoadHeader(model=model)),
            pb.LoadResponse(weights_chunk=b"abc"),
        ]
        fake.answers["Load"] = lambda request: full if request.by_path else in_chunks
        assert registry.load_weights("production") == b"abc"
        assert [(request.ref, request.by_path) for _, request in fake.asked] == [
            ("production", True),
            ("production", False),
        ]
