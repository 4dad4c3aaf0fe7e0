import os
import pickle

import pytest
from fake_registry import fake_registry

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment.registry import DaemonRegistry


class TestS3:
    def test_what_is_not_given_is_not_in_the_spec(self):
        assert pe.S3ModelRegistry("my-bucket").spec == "s3://my-bucket/models/"
        assert pe.S3ModelRegistry("b", "/team/m").spec == "s3://b/team/m/"

    def test_every_option_is_a_key_of_the_spec(self):
        registry = pe.S3ModelRegistry(
            "my-bucket",
            "team a/",
            region="eu-central-1",
            endpoint="http://127.0.0.1:9000",
            path_style=False,
            profile="ml+x",
            sse="aws:kms",
            kms_key="alias/m",
            storage_class="STANDARD_IA",
            poll_ms=200,
            unsafe_without_conditional_writes=True,
        )
        assert registry.spec == (
            "s3://my-bucket/team%20a/?region=eu-central-1&endpoint=http%3A%2F%2F127.0.0.1%3A9000"
            "&path_style=false&profile=ml%2Bx&sse=aws%3Akms&kms_key=alias%2Fm&storage_class=STANDARD_IA"
            "&poll_ms=200&unsafe_without_conditional_writes=true"
        )
        assert (registry.bucket, registry.prefix) == ("my-bucket", "team a/")

    @pytest.mark.parametrize("prefix", ["", "/"])
    def test_an_empty_prefix_is_refused(self, prefix):
        with pytest.raises(errors.InvalidRegistrySpecError, match="prefix") as caught:
            pe.S3ModelRegistry("b", prefix)
        assert caught.value.field == "prefix"

    def test_nothing_in_a_name_changes_what_the_spec_says(self):
        assert pe.S3ModelRegistry("b?region=x", "a#b").spec == "s3://b%3Fregion%3Dx/a%23b/"


class TestMLflow:
    def test_the_address_comes_from_the_environment_or_the_argument(self, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.local/base/")
        assert pe.MLflowModelRegistry().spec == "mlflow+https://mlflow.local/pipekit-models?base=%2Fbase"
        named = pe.MLflowModelRegistry("team models", "http://127.0.0.1:5000", poll_ms=100)
        assert named.spec == "mlflow+http://127.0.0.1:5000/team%20models?poll_ms=100"
        assert pe.adapters.mlflow.MLflowModelRegistry is pe.MLflowModelRegistry

    @pytest.mark.parametrize(
        ("name", "uri", "field"),
        [
            ("", "http://h", "name"),
            ("m", "", "tracking_uri"),
            ("m", "sqlite:///x", "tracking_uri"),
            ("m", "http://u:secret@h", "tracking_uri"),
        ],
    )
    def test_bad_addresses_are_told_without_their_secrets(self, monkeypatch, name, uri, field):
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with pytest.raises(errors.InvalidRegistrySpecError) as caught:
            pe.MLflowModelRegistry(name, uri)
        assert caught.value.field == field
        assert caught.value.mend
        assert "secret" not in str(caught.value)

    def test_another_name_of_the_module_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no_such"):
            _ = pe.adapters.mlflow.no_such


class TestAll:
    REGISTRIES = (
        lambda: pe.LocalModelRegistry("/srv/models"),
        lambda: pe.S3ModelRegistry("b"),
        lambda: pe.MLflowModelRegistry("m", "http://h"),
        lambda: DaemonRegistry("local:/x"),
    )

    @pytest.mark.parametrize("make", REGISTRIES)
    def test_each_is_a_model_registry_that_can_be_pickled(self, make):
        registry = make()
        assert isinstance(registry, pe.ModelRegistry)
        assert pickle.loads(pickle.dumps(registry)).spec == registry.spec
        assert registry.spec in repr(registry)

    def test_describe_asks_the_daemon(self, tmp_path):
        with fake_registry(tmp_path) as fake:
            fake.answers["DescribeRegistry"] = pb.DescribeRegistryResponse(spec="s3://b/models/", atomic=True)
            told = pe.S3ModelRegistry("b").describe()
            assert (told.spec, told.atomic) == ("s3://b/models/", True)
            assert fake.asked[0][1].registry == "s3://b/models/"

    def test_the_logging_half_of_mlflow_imports_no_grpc(self):
        import subprocess
        import sys

        program = "import sys; from pipekit_experiment.adapters.mlflow import *; print('grpc' in sys.modules)"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        quiet = program.replace("import *", "import MLflowTracker")
        done = subprocess.run([sys.executable, "-c", quiet], env=env, capture_output=True, text=True)
        assert done.stdout.strip() == "False", done.stderr
