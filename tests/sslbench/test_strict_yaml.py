"""YAML files are read as plain data only, and every problem names its line."""

import math
import re
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from sslbench.config import Frozen
from sslbench.errors import ConfigError
from sslbench.strict_yaml import MAX_BYTES, load_yaml, plain_value, validate


class Leaf(Frozen):
    size: int = 1
    ratio: float = Field(0.5, gt=0, lt=1)
    length: int | str = Field(1, alias="len")


class Branch(Frozen):
    leaf: Leaf = Leaf()
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = Field({})
    amount: int | float | None = None
    word: str = "x"

    @field_validator("word")
    @classmethod
    def _short(cls, word):
        if len(word) > 3:
            raise ValueError(f"a word has at most 3 letters, got {word!r}")
        return word


class Tree(Frozen):
    branch: Branch


def written(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path, model=None):
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        validate(model or Tree, load_yaml(path), code="C100")
    assert time.process_time() - started < 2
    assert str(path) in (caught.value.where or "")
    return caught.value


def line_of(error):
    found = re.search(r"line (\d+)", error.where)
    return int(found.group(1)) if found else None


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_000", 1000),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("yes", "yes"),
        ("y", "y"),
        ("TRUE", "TRUE"),
        ("1:30", "1:30"),
        ("1:30.5", "1:30.5"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("0b11", "0b11"),
        ("2024-01-31", "2024-01-31"),
        ("50%", "50%"),
        ("'1'", "1"),
        ("!!str 5", "5"),
        ("1e", "1e"),
        ("e5", "e5"),
        (".", "."),
        ("-", "-"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_mean_what_they_look_like(tmp_path, text, value):
    found = load_yaml(written(tmp_path, f"key: {text}\n" if text != "-" else "key: '-'\n"))
    assert found.value == {"key": value}
    assert type(found.value["key"]) is type(value)


def test_nan_is_read_as_a_number_so_that_models_can_refuse_it(tmp_path):
    path = written(tmp_path, "branch:\n  leaf:\n    ratio: .nan\n")
    assert math.isnan(load_yaml(path).value["branch"]["leaf"]["ratio"])
    error = refused(path, Tree)
    assert (line_of(error), "finite" in error.what) == (3, True)


@pytest.mark.parametrize(
    "text, line",
    [
        ("a: 1\nb: 2\na: 3\n", 3),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", 4),
        ("a: {b: 1, b: 2}\n", 1),
        ("a: 1\n'a': 2\n", 2),
        ("a: 1\nb: &x [1]\n", 2),
        ("a: 1\n\nb: *x\n", 3),
        ("a: &l [x]\nb: [*l, *l]\n", 1),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2),
        ("a: 1\nb: !!python/name:os.system\n", 2),
        ("a: !!set {x}\n", 1),
        ("a: !!omap [x: 1]\n", 1),
        ("a: !!binary aGk=\n", 1),
        ("a: !!timestamp 2001-01-01\n", 1),
        ("a: !mine x\n", 1),
        ("a: 1\nb: !!bool maybe\n", 2),
        ("a: 1\nb: !!int 2.5\n", 2),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2),
        ("a: {x: 1}\nb:\n  <<: {y: 2}\n", 3),
        ("a: 1\n? [b, c]\n: 2\n", 2),
        ("a: 1\nb: 2\n\tc: 3\n", 3),
        ("a: 1\nb: [1, 2\nc: 3\n", 3),
        ("a: 1\nb: 'open\n", 3),
        ("a: =\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(tmp_path, text, line):
    assert line_of(refused(written(tmp_path, text))) == line


@pytest.mark.parametrize("text", ["", "# nothing\n", "[1, 2]\n", "hello\n", "5\n"])
def test_a_file_without_keys_is_refused(tmp_path, text):
    assert "key: value" in refused(written(tmp_path, text)).what


@pytest.mark.parametrize(
    "content",
    [
        "a: 1\n".encode("utf-16"),
        "a: 1\n".encode("utf-16-le"),
        b"a: \xff\xfe\n",
        b"a: \x00\n",
        b"a: '\x07'\n",
        b"\x89HDF\r\n\x1a\n",
    ],
)
def test_a_file_that_is_not_utf8_text_is_refused(tmp_path, content):
    refused(written(tmp_path, content))


def test_a_byte_order_mark_does_no_harm(tmp_path):
    assert load_yaml(written(tmp_path, "a: 1\n".encode("utf-8-sig"))).value == {"a": 1}


def test_a_huge_file_is_refused_unread(tmp_path):
    error = refused(written(tmp_path, b"a: 1\n" * 2_000_000))
    assert "10,000,000" in error.what


def test_the_largest_file_that_is_read_takes_less_than_two_seconds(tmp_path):
    lines = [f"key_{i}: {{a: 1.0, b: [1, 2]}}\n" for i in range(MAX_BYTES)]
    text = "".join(lines[: MAX_BYTES // len(lines[10_000])])
    started = time.process_time()
    load_yaml(written(tmp_path, text[:MAX_BYTES]))
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", ["a: " + "[" * 20_000, "a: " + "[" * 20_000 + "]" * 20_000])
def test_bottomless_nesting_is_refused(tmp_path, text):
    refused(written(tmp_path, text))


@pytest.mark.parametrize("name", ["absent.yaml", ".", "x" * 300 + ".yaml"])
def test_a_path_that_is_no_readable_file_is_refused(tmp_path, name):
    assert refused(tmp_path / name).code == "C002"


SURPRISING = re.compile(r"[-+.\d_eE:xXb]+")
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | TEXTS.filter(lambda t: not SURPRISING.fullmatch(t))
)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)


@given(st.dictionaries(TEXTS, PLAIN, min_size=1, max_size=4))
def test_plain_data_come_back_as_they_were_written(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    # Identical lists would be written as anchors, which we refuse on purpose.
    dumper = type("NoAliases", (yaml.SafeDumper,), {"ignore_aliases": lambda self, data: True})
    path.write_text(yaml.dump(data, Dumper=dumper, allow_unicode=True), encoding="utf-8")
    assert load_yaml(path).value == data


def test_every_key_and_item_has_its_line(tmp_path):
    text = "a: 1\n\nb:\n  # comment\n  c: {d: 1}\n  e:\n    - x\n    - y: 2\n"
    document = load_yaml(written(tmp_path, text))
    lines = {("a",): 1, ("b",): 3, ("b", "c"): 5, ("b", "c", "d"): 5, ("b", "e"): 6}
    lines |= {("b", "e", 0): 7, ("b", "e", 1, "y"): 8}
    assert {at: document.line(at) for at in lines} == lines
    assert document.line(("b", "c", "missing", "deeper")) == 5
    assert document.line(("missing",)) is None


TREE = "branch:\n  leaf:\n    size: 1\n"


@pytest.mark.parametrize(
    "text, line, what, fix",
    [
        (TREE + "    sise: 2\n", 4, "unknown key 'branch/leaf/sise'", "'size'"),
        (TREE + "  leafs: []\n", 4, "unknown key 'branch/leafs'", "'leafs'|'leaves'|'leaf'"),
        (TREE + "tree: 1\n", 4, "unknown key 'tree'", "branch"),
        (TREE + "  leaves:\n    - {size: 1}\n    - {sice: 1}\n", 6, "sice", "'size'"),
        (TREE + "  named:\n    x:\n      sizes: 1\n", 6, "branch/named/x/sizes", "'size'"),
        (TREE + "    lenn: 2\n", 4, "lenn", "'len'"),
        (TREE + "    ratio: 1.5\n", 4, "branch/leaf/ratio: ", ""),
        (TREE + "    ratio: 50%\n", 4, "branch/leaf/ratio: ", ""),
        (TREE + "    len: []\n", 4, "branch/leaf/len: ", ""),
        (TREE + "  amount: none\n", 4, "branch/amount: ", ""),
        (TREE + "  word: hello\n", 4, "at most 3 letters, got 'hello'", ""),
        ("branch: 5\n", 1, "branch: ", ""),
    ],
)
def test_a_model_that_refuses_a_value_names_its_key_and_line(tmp_path, text, line, what, fix):
    error = refused(written(tmp_path, text), Tree)
    assert line_of(error) == line
    assert what in error.what
    assert re.search(fix, error.fix or "")


def test_a_missing_key_is_named(tmp_path):
    assert "'branch' is missing" in refused(written(tmp_path, "{}\n"), Tree).what


def test_a_wrong_value_is_shown_short(tmp_path):
    error = refused(written(tmp_path, f"branch:\n  amount: {'z' * 5000}\n"), Tree)
    assert error.found is not None
    assert len(error.found) < 100


def test_a_value_put_in_from_the_command_line_is_named_by_its_override(tmp_path):
    document = load_yaml(written(tmp_path, TREE))
    document.put(("branch", "leaf", "ratio"), 3, override="branch.leaf.ratio=3")
    with pytest.raises(ConfigError) as caught:
        validate(Tree, document, code="C100")
    assert caught.value.where == "-o branch.leaf.ratio=3"


def test_an_override_cannot_go_below_a_plain_value(tmp_path):
    document = load_yaml(written(tmp_path, TREE))
    with pytest.raises(ConfigError, match=r"branch\.leaf\.size"):
        document.put(("branch", "leaf", "size", "x"), 3, override="branch.leaf.size.x=3")


def test_a_single_value_is_read_by_the_same_rules():
    assert plain_value("1e-3", of="-o x") == 1e-3
    assert plain_value("no", of="-o x") == "no"
    assert plain_value("[1, 2]", of="-o x") == [1, 2]
    with pytest.raises(ConfigError, match="not read") as caught:
        plain_value("!!python/name:os.system", of="-o x=y")
    assert "-o x=y" in str(caught.value)
