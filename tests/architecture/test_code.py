"""Rules that every file of the package keeps, read from its syntax."""

import ast
from pathlib import Path

import pytest

import sslbench

ROOT = Path(sslbench.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
EVERY = pytest.mark.parametrize("file", FILES, ids=[str(f.relative_to(ROOT)) for f in FILES])

# Names that say nothing; a function without a home means that the design misses a noun.
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "base_utils"}
# Calls that run code or read objects out of a file.
UNSAFE = {
    "eval",
    "exec",
    "__import__",
    "compile",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "cloudpickle.load",
    "cloudpickle.loads",
    "dill.load",
    "joblib.load",
    "marshal.load",
    "marshal.loads",
    "shelve.open",
    "pandas.read_pickle",
    "pd.read_pickle",
    "builtins.eval",
    "builtins.exec",
    "yaml.load",
    "yaml.load_all",
    "yaml.full_load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
    "tempfile.mktemp",
    "mlflow.pyfunc.load_model",
}
# (file, call) that is safe where it stands, with the reason.
ALLOWED = {
    ("registry.py", "exec"): "the Options class of a module of this package, never of a user",
    ("registry.py", "compile"): "the same",
}


# Files outside the command line that say something to a person, with the reason.
DOORS = {"checkpoint.py": "sslbench.embed is called at a prompt and says how many genes it found"}


def name_of(node: ast.expr) -> str:
    """The dotted name of what is called; "" for anything computed."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = name_of(node.value)
        return f"{above}.{node.attr}" if above else ""
    return ""


def keywords(call: ast.Call) -> dict[str, object]:
    return {k.arg: getattr(k.value, "value", None) for k in call.keywords if k.arg}


def unsafe_calls(source: str) -> list[tuple[str, int]]:
    """Every call that could run what a file or a person put in, with its line."""
    tree = ast.parse(source)
    whole = imported_names(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [(in_full(name_of(c.func), whole), c) for c in calls]
    return [(name, c.lineno) for name, c in named if is_unsafe(name, keywords(c))]


def imported_names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, by the name that the file gives it."""
    nodes = list(ast.walk(tree))
    modules = [a for n in nodes if isinstance(n, ast.Import) for a in n.names]
    members = [(n, a) for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names]
    return {a.asname: a.name for a in modules if a.asname} | {
        a.asname or a.name: f"{n.module}.{a.name}" for n, a in members if not n.level
    }


def in_full(name: str, whole: dict[str, str]) -> str:
    first, _, rest = name.partition(".")
    return ".".join(filter(None, [whole.get(first, first), rest]))


def is_unsafe(name: str, given: dict[str, object]) -> bool:
    if name == "torch.load":
        return given.get("weights_only") is not True
    return name in UNSAFE or given.get("shell") is True or given.get("allow_pickle") is True


@EVERY
def test_nothing_is_called_that_could_run_what_a_file_holds(file):
    found = unsafe_calls(file.read_text(encoding="utf-8"))
    place = str(file.relative_to(ROOT))
    assert [(name, line) for name, line in found if (place, name) not in ALLOWED] == []


@pytest.mark.parametrize("folder", ["benchmarks", "scripts"])
def test_what_stands_beside_the_package_runs_nothing_out_of_a_file_either(folder):
    files = sorted((ROOT.parent / folder).rglob("*.py"))
    found = {str(f): unsafe_calls(f.read_text(encoding="utf-8")) for f in files}
    assert files
    assert {file: calls for file, calls in found.items() if calls} == {}


def test_every_allowed_call_is_still_made():
    made = {
        (str(f.relative_to(ROOT)), name)
        for f in FILES
        for name, _ in unsafe_calls(f.read_text(encoding="utf-8"))
    }
    assert set(ALLOWED) <= made


@pytest.mark.parametrize(
    "source",
    [
        "pickle.load(file)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval('1')",
        "subprocess.run('ls', shell=True)",
        "np.load(path, allow_pickle=True)",
        "joblib.load(path)",
        "from pickle import load\nload(file)",
        "from pickle import loads as read\nread(data)",
        "import pickle as p\np.Unpickler(file)",
        "from torch import load\nload(path)",
        "from os import system\nsystem('ls')",
    ],
)
def test_the_check_sees_unsafe_calls(source):
    assert len(unsafe_calls(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path, mmap_mode='r')",
        "ast.literal_eval(x)",
        "model.eval()",
        "re.compile('x')",
        "subprocess.run(['ls'])",
    ],
)
def test_the_check_passes_over_safe_calls(source):
    assert unsafe_calls(source) == []


@EVERY
def test_only_the_command_line_prints(file):
    if file.relative_to(ROOT).parts[0] == "cli" or file.name in DOORS:
        return
    calls = [n for n in ast.walk(parsed(file)) if isinstance(n, ast.Call)]
    assert [c.lineno for c in calls if name_of(c.func) == "print"] == []


@EVERY
def test_no_error_is_swallowed(file):
    """A bare `except:` catches Ctrl-C too; one that only passes hides a wrong result."""
    handlers = [n for n in ast.walk(parsed(file)) if isinstance(n, ast.ExceptHandler)]
    assert [h.lineno for h in handlers if h.type is None] == []
    broad = [h for h in handlers if name_of(h.type) in ("Exception", "BaseException")]
    silent = [h for h in broad if all(isinstance(s, ast.Pass | ast.Continue) for s in h.body)]
    assert [h.lineno for h in silent] == []


@EVERY
def test_a_file_is_named_by_the_field(file):
    assert file.stem not in VAGUE
    assert file.parent.name not in VAGUE


@EVERY
def test_no_randomness_is_drawn_from_a_global_stream(file):
    """Only seeding touches torch's global stream, and nobody NumPy's or Python's."""
    if file.name == "seeding.py":
        return
    calls = [name_of(n.func) for n in ast.walk(parsed(file)) if isinstance(n, ast.Call)]
    made = {"np.random.default_rng", "np.random.SeedSequence", "np.random.Generator"}
    drawn = [c for c in calls if c.startswith(("np.random.", "numpy.random.")) and c not in made]
    assert drawn == []
    assert "torch.manual_seed" not in calls
    assert [c for c in calls if c.startswith("random.")] == []


@EVERY
def test_a_file_says_what_it_answers(file):
    source = file.read_text(encoding="utf-8")
    assert not source.strip() or ast.get_docstring(ast.parse(source))


@EVERY
def test_a_file_stays_short_enough_to_read(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
