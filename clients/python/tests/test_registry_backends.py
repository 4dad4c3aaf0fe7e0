"""One suite over a folder, a real S3 server and a real MLflow server."""

import uuid

import pytest
from real_daemon import daemon_in, registry_servers
from registry_operators import Scale

import pipekit_experiment as pe
from pipekit_experiment import errors

TRUST = ("registry_operators",)
NOW = {"min_age": 0, "keep_moves": 0, "keep_moved": 0}


@pytest.fixture(scope="module")
def servers():
    with registry_servers() as told:
        yield told


@pytest.fixture(scope="module")
def daemon(servers, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", servers["accessKey"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", servers["secretKey"])
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_PROFILE", raising=False)
        with daemon_in(tmp_path_factory.mktemp("d")) as made:
            yield made


def local(servers, folder):
    return pe.LocalModelRegistry(folder / "models", trust=TRUST)


def s3(servers, folder):
    return pe.S3ModelRegistry(
        servers["bucket"],
        f"{uuid.uuid4()}/",
        region="us-east-1",
        endpoint=servers["endpoint"],
        poll_ms=50,
        trust=TRUST,
    )


def mlflow(servers, folder):
    return pe.MLflowModelRegistry(f"suite-{uuid.uuid4()}", servers["mlflow"], poll_ms=50, trust=TRUST)


@pytest.fixture(params=[local, s3, mlflow], ids=lambda make: make.__name__)
def registry(request, daemon, servers, tmp_path):
    return request.param(servers, tmp_path)


def test_a_model_comes_back_and_has_one_id_everywhere(registry, tmp_path):
    told = []
    hash = registry.store(Scale("km", 2.5), tags={"acc": 0.5}, name="candidate", progress=told.append)
    assert pe.LocalModelRegistry(tmp_path / "other").store(Scale("km", 2.5)) == hash
    loaded = registry.load("candidate")
    assert (type(loaded), loaded(2.0), registry.load_weights(hash[:8])) == (Scale, 5.0, b"2.5")
    info = registry.stat(hash)
    assert (info.tags, info.names, info.weights_size) == ({"acc": 0.5}, ("candidate",), 3)
    assert registry.list(tags={"acc": 0.5}) == [hash]
    assert told


def test_tags_are_moved_refused_rolled_back_and_deleted(registry):
    a, b = registry.store(Scale("a")), registry.store(Scale("b"))
    registry.tag(a, "production")
    with pytest.raises(FileExistsError):
        registry.tag(b, "production")
    with pytest.raises(errors.TagConflictError):
        registry.tag(b, "production", force=True, expected=b)
    registry.tag(b, "production", force=True, expected=a, reason="better")
    assert registry.resolve_tag("production@1") == registry.resolve_tag("production~1") == a
    assert registry.rollback("production", reason="worse").hash == a
    assert registry.tags() == {"production": a}
    gone = registry.delete_tag("production", expected=a)
    assert (gone.seq, gone.deleted, registry.tags()) == (4, True, {})
    with pytest.raises(KeyError):
        registry.load("production")
    registry.tag(b, "production")
    assert [move.hash for move in registry.history("production")] == [b, "", a, b, a]


def test_a_watch_tells_moves_and_deletions_and_is_taken_up_again(registry):
    a, b = registry.store(Scale("a"), name="p"), registry.store(Scale("b"))
    with registry.watch_tag("p") as watch:
        assert next(watch).hash == a
        registry.tag(b, "p", force=True)
        assert next(watch).hash == b
        registry.delete_tag("p")
        assert next(watch).deleted
    registry.tag(a, "p")
    with registry.watch_tag("p", after_seq=2) as watch:
        assert [(move.seq, move.hash) for move in (next(watch), next(watch))] == [(3, ""), (4, a)]


def test_a_collection_takes_what_nothing_keeps(registry):
    tagged, pinned, loose = (registry.store(Scale(unit, 1.0)) for unit in ("tagged", "pinned", "loose"))
    registry.tag(tagged, "production")
    assert registry.pin(pinned, reason="audit").hash == pinned
    assert [pin.reason for pin in registry.pins()] == ["audit"]
    assert registry.gc().entries == ()
    plan = registry.gc(**NOW)
    assert ([entry.hash for entry in plan.entries], plan.summary.dry_run) == ([loose], True)
    assert registry.list() == sorted([tagged, pinned, loose])
    done = registry.gc(**NOW, apply=True)
    assert [(entry.hash, entry.deleted) for entry in done.entries] == [(loose, True)]
    assert registry.list() == sorted([tagged, pinned])
    assert registry.unpin(pinned)
    assert not registry.unpin(pinned)
    assert registry.load("production").unit == "tagged"


def test_models_are_verified_compared_copied_and_archived(registry, tmp_path):
    a = registry.store(Scale("km", 1.0), tags={"acc": 1}, name="production")
    b = registry.store(Scale("mi", 1.0), tags={"acc": 2})
    assert [finding.ok for finding in registry.verify()] == [True, True]
    assert [finding.ok for finding in registry.verify(a, quick=True)] == [True]
    diff = registry.diff(a, b)
    assert {(entry.document, entry.a, entry.b) for entry in diff.entries} == {
        ("operator", '"km"', '"mi"'),
        ("metadata", "1", "2"),
    }
    assert diff.same_weights
    there = pe.LocalModelRegistry(tmp_path / "copy", trust=TRUST)
    assert sorted(registry.copy_to(there).created) == sorted([a, b])
    assert registry.copy_to(there).created == ()
    assert (there.resolve_tag("production"), there.load(b).unit) == (a, "mi")
    registry.export(tmp_path / "models.tar", "production")
    back = pe.LocalModelRegistry(tmp_path / "back", trust=TRUST)
    assert back.import_archive(tmp_path / "models.tar").created == (a,)
    assert back.history("production")[0].hash == a


def test_it_says_what_it_promises(registry):
    told = registry.describe()
    assert told.spec.split(":")[0] == registry.spec.split(":")[0].removesuffix("+http")
    assert told.atomic != isinstance(registry, pe.MLflowModelRegistry)


def test_a_server_that_is_not_there_and_a_wrong_argument_are_typed(daemon):
    with pytest.raises(errors.InvalidRegistrySpecError, match="bucket"):
        pe.S3ModelRegistry("No_Bucket").list()
    with pytest.raises(errors.RegistryUnavailableError) as caught:
        pe.MLflowModelRegistry("m", "http://127.0.0.1:9").list()
    assert caught.value.mend
