import contextlib
import json
import pickle
import subprocess
import sys
import zipfile
from io import BytesIO

import pytest
import yaml
from graph_operators import Sum, Wrapper
from hypothesis import given, settings
from hypothesis import strategies as st

from pipekit_experiment import errors
from pipekit_experiment.operators import (
    BytesModelOp,
    Graph,
    ModelRef,
    Sequential,
    from_yaml,
    to_yaml,
    walk,
)

TRUST = ["graph_operators"]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# What YAML 1.1 or 1.2 takes for something else, when it is not quoted.
_WORDS = "yes no on off y n ~ null Null true True 08 010 0o7 0x1F 1_000 1e3 1e-3 .5 5. .inf .nan 12:30"
WORDS = st.sampled_from(
    [
        *_WORDS.split(" "),
        "2026-01-02",
        "<<",
        "=",
        "&",
        "*",
        "!",
        "|",
        ">",
        "%",
        "@",
        "`",
        "-",
        "?",
        ":",
        "#",
        "{}",
        "[]",
        "",
        "- a: b #",
        "${x}",
        "???",
        "\x00",
        "\r",
        "\x85",
        "\u2028",
        "\ufeff",
        "a\nb",
        "\n",
        " a ",
        "a: b",
    ]
)
NUMBERS = st.one_of(
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 1e22]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT | WORDS, inner, max_size=3)),
    max_leaves=8,
)
LEAVES = st.builds(Sum, NUMBERS, JSON) | st.builds(
    BytesModelOp, weights_format=TEXT, config=st.dictionaries(TEXT | WORDS, JSON, max_size=2)
)
NAMES = st.text("abcdefgxyz_1éß", min_size=1, max_size=4)


@st.composite
def graphs(draw, nodes=LEAVES):
    """A graph without cycles: a node is fed by inputs and by nodes before it."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    inputs = names[: draw(st.integers(0, min(2, len(names) - 1)))]
    own = names[len(inputs) :]
    edges = {
        name: draw(st.lists(st.sampled_from(names[: names.index(name)]), max_size=3))
        for name in own
        if names.index(name) > 0
    }
    outputs = draw(st.sampled_from(names) | st.lists(st.sampled_from(names), min_size=1, max_size=3))
    made = {name: draw(nodes) for name in draw(st.permutations(own))}
    return Graph(made, edges, inputs=inputs, outputs=outputs)


OPERATORS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3).map(Sequential) | graphs(inner), max_leaves=6
)


def same(left, right):
    """Equal as JSON text: 1 and 1.0, 0.0 and -0.0 are not."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


class TestYaml:
    @settings(deadline=None, max_examples=60)
    @given(OPERATORS)
    def test_every_operator_comes_back(self, operator):
        text = to_yaml(operator)
        back = from_yaml(text, trust=TRUST)
        assert same(back.state, operator.state)
        assert to_yaml(back) == text
        assert type(back) is type(operator)

    @settings(deadline=None, max_examples=60)
    @given(JSON)
    def test_other_readers_of_yaml_read_the_same(self, value):
        text = to_yaml(Sum(0, value))
        assert same(yaml.safe_load(text)["config"]["note"], value)

    def test_json_is_yaml(self):
        operator = Sequential([Sum(1), Sum(2.5, {"a": [None, True]})])
        assert same(from_yaml(json.dumps(operator.state), trust=TRUST).state, operator.state)

    def test_what_people_write_is_read(self):
        text = (
            "module: graph_operators\nclass: Sum\nconfig: {plus: 1e-3, note: [yes, 0x10, ~, 'a: b', 007]}\n"
        )
        found = from_yaml(text, trust=TRUST)
        assert found.plus == 0.001
        assert found.note == ["yes", 16, None, "a: b", 7]

    @pytest.mark.parametrize(
        ("config", "field", "said"),
        [
            ("{plus: &a 1, note: *a}", "line 3", "alias or anchor"),
            ("{plus: !!python/name:os.system 1}", "line 3", "tag"),
            ("{plus: !x 1}", "line 3", "tag"),
            ("{plus: 1, plus: 2}", "state.config", "`state.config.plus` is there twice"),
            ("{plus: .nan}", "state.config.plus", "JSON cannot say"),
            ("{plus: 1e999}", "state.config.plus", "is inf"),
            ("{plus: 9007199254740993}", "state.config.plus", r"2\^53"),
            ("{plus: " + "9" * 5000 + "}", "state.config.plus", r"2\^53"),
            ("{1: 2}", "state.config", "no text"),
            ("{[a]: 2}", "state.config", "no text"),
            ("[" * 200 + "]" * 200, "line 3", "levels deep"),
            ("[" * 20000, "line 3", "levels deep"),
            ("{plus: [1}", "line 3", "expected"),
            ("{plus: 1}\n---\na: b", "line 4", "document"),
            ("\x07", "line 1", "special characters"),
        ],
    )
    def test_bad_yaml_names_line_or_path(self, config, field, said):
        text = f"module: graph_operators\nclass: Sum\nconfig: {config}\n"
        with pytest.raises(errors.InvalidConfigError, match=said) as caught:
            from_yaml(text, trust=TRUST)
        assert caught.value.field == field

    def test_an_alias_bomb_does_not_go_off(self):
        lines = ["a: &a0 [x]"] + [f"b{i}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(40)]
        with pytest.raises(errors.InvalidConfigError, match="alias or anchor"):
            from_yaml("\n".join(lines))

    @pytest.mark.parametrize(
        ("state", "kind", "said"),
        [
            ({"module": "os", "class": "system"}, errors.UntrustedModuleError, "module os"),
            ({"module": "no_such_module"}, errors.NotAnOperatorError, "no_such_module is not installed"),
            ({"class": "Nobody"}, errors.NotAnOperatorError, "no Nobody"),
            ({"class": "NoOperator"}, errors.NotAnOperatorError, "NoOperator is not an Operator"),
            ({"class": "no_class"}, errors.NotAnOperatorError, "no_class is not an Operator"),
            ({"config": [1]}, errors.NotAnOperatorError, "`config`"),
            ({"class": 3}, errors.NotAnOperatorError, "`class`"),
            ({"trust": ["os"]}, errors.NotAnOperatorError, "`trust`"),
            ({"format": 2}, errors.FormatTooNewError, "format 2"),
        ],
    )
    def test_what_is_no_operator_is_named(self, state, kind, said):
        text = json.dumps({"module": "graph_operators", "class": "Sum", "config": {}, **state})
        with pytest.raises(kind, match=said):
            from_yaml(text, trust=[*TRUST, "no_such_module"])

    def test_a_nested_fault_is_named_with_its_path(self):
        state = Sequential([Sum(), Graph({"a": Sum()}, outputs="a")]).state
        state["config"]["steps"][1]["config"]["nodes"]["a"]["class"] = "NoOperator"
        with pytest.raises(errors.NotAnOperatorError, match=r"At steps/1: At nodes/a: .*NoOperator"):
            from_yaml(json.dumps(state), trust=TRUST)

    def test_a_nested_state_needs_trust_before_anything_is_imported(self):
        state = Sequential([Sum()]).state
        state["config"]["steps"][0]["module"] = "antigravity"
        with pytest.raises(errors.UntrustedModuleError, match="antigravity"):
            from_yaml(json.dumps(state), trust=TRUST)
        assert "antigravity" not in sys.modules

    def test_a_value_that_json_cannot_say_is_named_with_its_path(self):
        with pytest.raises(errors.InvalidConfigError) as caught:
            to_yaml(Sequential([Sum(), Sum({1, 2})]))
        assert caught.value.field == "state.config.steps[1].config.plus"

    def test_importing_operators_does_not_import_yaml(self):
        program = "import sys, pipekit_experiment.operators; print('yaml' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "False"


class TestGraph:
    @settings(deadline=None, max_examples=60)
    @given(graphs(st.builds(Sum, st.integers(-9, 9), factor=st.integers(1, 3))), st.data())
    def test_it_computes_what_a_naive_evaluator_does(self, graph, data):
        given_values = {name: data.draw(st.integers(-9, 9)) for name in graph.inputs}

        def value(name):
            if name in given_values:
                return given_values[name]
            return graph.nodes[name](*[value(source) for source in graph.edges.get(name, ())])

        single = isinstance(graph.outputs, str)
        expected = value(graph.outputs) if single else tuple(value(name) for name in graph.outputs)
        assert graph(*given_values.values()) == expected
        assert graph(**given_values) == expected

    def test_a_node_is_computed_once_and_only_if_it_is_needed(self):
        calls = []

        class Spy(Sum):
            def __call__(self, *values):
                calls.append(self.note)
                return super().__call__(*values)

        nodes = {name: Spy(1, name) for name in "abcd"}
        edges = {"a": ["input"], "b": ["a"], "c": ["a", "b"], "d": ["a"]}
        assert Graph(nodes, edges, outputs="c")(1) == 6
        assert calls == ["a", "b", "c"]

    def test_a_long_graph_does_not_fill_the_stack(self):
        nodes = {f"n{i}": Sum(1) for i in range(5000)}
        edges = {"n0": ["input"], **{f"n{i}": [f"n{i - 1}"] for i in range(1, 5000)}}
        assert Graph(nodes, edges, outputs="n4999")(0) == 5000

    @pytest.mark.parametrize(
        ("edges", "outputs", "field", "said"),
        [
            ({"a": ["b"], "b": ["c"], "c": ["b"]}, "a", "edges.b", "b <- c <- b"),
            ({"a": ["a"]}, "a", "edges.a", "a <- a"),
            ({"a": ["nobody"]}, "a", "edges.a", "'nobody', which is neither"),
            ({"nobody": ["a"]}, "a", "edges.nobody", "'nobody', which is not there"),
            ({}, "nobody", "outputs", "'nobody'"),
            ({"a": "b"}, "a", "edges.a", "no list of names"),
        ],
    )
    def test_a_wrong_edge_is_named(self, edges, outputs, field, said):
        with pytest.raises(errors.InvalidArgumentError, match=said) as caught:
            Graph({name: Sum() for name in "abc"}, edges, outputs=outputs)
        assert caught.value.field == field

    @pytest.mark.parametrize("name", ["", "a/b", "input", "a\0b", "\ud800"])
    def test_a_name_that_cannot_stand_in_a_path_is_refused(self, name):
        with pytest.raises(errors.InvalidArgumentError):
            Graph({name: Sum(), "b": Sum()}, outputs="b")

    @pytest.mark.parametrize(
        ("args", "kwargs"), [((), {}), ((1, 2), {}), ((1,), {"input": 2}), ((), {"x": 1})]
    )
    def test_wrong_arguments_are_refused(self, args, kwargs):
        with pytest.raises(errors.InvalidArgumentError, match="input"):
            Graph({"a": Sum()}, {"a": ["input"]}, outputs="a")(*args, **kwargs)

    def test_what_is_no_operator_is_named_with_its_path(self):
        with pytest.raises(errors.NotAnOperatorError, match=r"At nodes/a: .*Operator"):
            Graph({"a": print}, outputs="a")
        with pytest.raises(errors.NotAnOperatorError, match=r"At steps/1: .*Operator"):
            Sequential([Sum(), 1])


class TestSequential:
    def test_it_calls_one_after_the_other(self):
        assert Sequential([Sum(1), Sum(0, factor=2), Sum(3)])(4, 5) == 23

    def test_without_steps_it_gives_back_its_argument(self):
        assert Sequential([])("x") == "x"
        with pytest.raises(errors.InvalidArgumentError):
            Sequential([])(1, 2)


class TestWeights:
    @staticmethod
    def composed():
        inner = Graph({"é": Sum(1, factor=3), "plain": Sum(2)}, {"é": ["input"]}, outputs="é")
        return Sequential([Sum(0, factor=2), inner, Sum(5)])

    def test_they_are_one_archive_and_come_back(self):
        operator = self.composed()
        weights = operator.get_weights()
        with zipfile.ZipFile(BytesIO(weights)) as archive:
            assert archive.namelist() == ["format.json", "steps/0", "steps/1"]
            assert archive.read("steps/0") == b"2"
            assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            inner = zipfile.ZipFile(BytesIO(archive.read("steps/1")))
        assert inner.namelist() == ["format.json", "nodes/é"]
        bare = from_yaml(to_yaml(operator), trust=TRUST)
        assert bare.get_weights() is None
        back = bare.with_weights(weights)
        assert back(4) == operator(4) == (8 + 1) * 3 + 5
        assert back.get_weights() == weights
        assert bare.get_weights() is None, "the operator itself does not change"

    def test_they_do_not_depend_on_the_order_of_the_nodes(self):
        nodes = {"a": Sum(factor=1), "b": Sum(factor=2)}
        turned = Graph(dict(reversed(nodes.items())), outputs="a")
        assert Graph(nodes, outputs="a").get_weights() == turned.get_weights()

    def test_entries_are_sorted_by_code_points(self):
        weights = Sequential([Sum(factor=1)] * 11).get_weights()
        with zipfile.ZipFile(BytesIO(weights)) as archive:
            assert archive.namelist()[1:4] == ["steps/0", "steps/1", "steps/10"]

    def test_weights_of_another_operator_are_refused(self):
        with pytest.raises(errors.InvalidArgumentError, match="steps/1, which"):
            Sequential([Sum()]).with_weights(self.composed().get_weights())
        with pytest.raises(errors.NotAnOperatorError, match="steps/0"):
            Sequential([Wrapper(Sum())]).with_weights(Sequential([Sum(factor=1)]).get_weights())

    @settings(deadline=None, max_examples=60)
    @given(st.data())
    def test_damaged_weights_are_refused_or_read(self, data):
        weights = bytearray(self.composed().get_weights())
        index = data.draw(st.integers(0, len(weights) - 1))
        weights[index] ^= data.draw(st.integers(1, 255))
        bare = from_yaml(to_yaml(self.composed()), trust=TRUST)
        with contextlib.suppress(errors.PipekitError):
            bare.with_weights(bytes(weights))

    def test_compressed_doubled_and_newer_archives_are_refused(self):
        def made(compression=zipfile.ZIP_STORED, version=1, names=("steps/0",)):
            target = BytesIO()
            with zipfile.ZipFile(target, "w", compression) as archive:
                for name in names:
                    archive.writestr(name, b"1")
                archive.writestr("format.json", json.dumps({"format": version}))
            return target.getvalue()

        operator = Sequential([Sum()])
        assert operator.with_weights(made()).steps[0].factor == 1
        with pytest.raises(errors.InvalidArgumentError, match="compressed"):
            operator.with_weights(made(zipfile.ZIP_DEFLATED))
        with (
            pytest.warns(UserWarning, match="Duplicate"),
            pytest.raises(errors.InvalidArgumentError, match="twice"),
        ):
            operator.with_weights(made(names=("steps/0", "steps/0")))
        with pytest.raises(errors.FormatTooNewError, match="format 2"):
            operator.with_weights(made(version=2))

    def test_operators_are_replaced_by_path(self):
        operator = self.composed()
        assert operator.with_nested({"steps/0": Sum(10)})(0) == (10 + 1) * 3 + 5
        assert operator(0) == (0 + 1) * 3 + 5
        with pytest.raises(errors.InvalidArgumentError, match="steps/7"):
            operator.with_nested({"steps/7": Sum()})


class TestWalk:
    def test_it_gives_every_operator_with_its_path(self):
        leaf, ref = Sum(1), ModelRef("production", "local:/m")
        wrapper = Wrapper(leaf, [Sum(2), Sum(3)])
        operator = Sequential([Graph({"b": wrapper, "a": ref}, outputs="a")])
        found = dict(walk(operator))
        assert list(found) == [
            "",
            "steps/0",
            "steps/0/nodes/a",
            "steps/0/nodes/b",
            "steps/0/nodes/b/model",
            "steps/0/nodes/b/by_name/others/0",
            "steps/0/nodes/b/by_name/others/1",
        ]
        assert found[""] is operator
        assert found["steps/0/nodes/a"] is ref
        assert found["steps/0/nodes/b/model"] is leaf
        assert found["steps/0/nodes/b/by_name/others/1"].plus == 3, "made of its state"

    def test_an_operator_in_itself_is_told(self):
        class Selfish(Sum):
            def nested_operators(self):
                return {"me": self}

        with pytest.raises(errors.InvalidArgumentError, match="me holds itself"):
            list(walk(Selfish()))

    def test_what_is_no_operator_is_told(self):
        with pytest.raises(errors.NotAnOperatorError):
            list(walk(3))


class OwnRegistry:
    """A user's registry: no spec, and no word of trust."""

    def __init__(self):
        self.asked = []

    def load(self, ref):
        self.asked.append(ref)
        return Sum(1, factor=2)


class TestModelRef:
    def test_it_is_loaded_once_and_when_it_is_called(self):
        registry = OwnRegistry()
        operator = Sequential([ModelRef("production", registry), Sum(1)])
        assert registry.asked == []
        assert (operator(1), operator(2)) == (5, 7)
        assert registry.asked == ["production"]
        assert operator.get_weights() is None

    def test_it_is_its_ref_in_yaml(self):
        operator = ModelRef("production", "s3://bucket/models", trust=["x"])
        assert operator.state["config"] == {"ref": "production", "registry": "s3://bucket/models"}
        assert from_yaml(to_yaml(operator), trust=TRUST).registry.spec == "s3://bucket/models"
        with pytest.raises(errors.InvalidConfigError, match="OwnRegistry, has no spec"):
            to_yaml(ModelRef("production", OwnRegistry()))

    def test_a_registry_of_this_package_is_written_by_its_spec(self, tmp_path, real_daemon):
        from pipekit_experiment import LocalModelRegistry

        registry = LocalModelRegistry(tmp_path)
        hash = registry.store(Sequential([Sum(1, factor=3)]), name="production")
        text = to_yaml(Sequential([ModelRef("production", registry)]))
        operator = from_yaml(text, trust=TRUST)
        assert operator(1) == 6, "what from_yaml trusted is trusted when the model is loaded"
        with pytest.raises(errors.UntrustedModuleError, match="graph_operators"):
            from_yaml(text)(1)
        registry.store(Sequential([Sum(1, factor=4)]), name="production", force=True)
        assert operator(1) == 6
        assert pickle.loads(pickle.dumps(operator)).steps[0].ref == "production"
        assert registry.load(hash, trust=TRUST)(1) == 6

    @pytest.mark.parametrize("given_values", [("",), (3,), ("a", 3)])
    def test_bad_arguments_are_refused(self, given_values):
        with pytest.raises(errors.InvalidArgumentError):
            ModelRef(*given_values)


def test_classes_are_pickled_under_their_public_names():
    operator = Sequential([Graph({"a": Sum(1)}, outputs="a"), BytesModelOp(b"x")])
    assert pickle.loads(pickle.dumps(operator)).state == operator.state
    assert operator.state["module"] == "pipekit_experiment.operators"
