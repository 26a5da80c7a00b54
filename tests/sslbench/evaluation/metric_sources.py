"""What the scores of each evaluation task are made of, as digests: `python -m tests.sslbench.evaluation.metric_sources` records them."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import sslbench
from sslbench.registry import EVALUATIONS

PACKAGE = Path(sslbench.__file__).parent
TABLE = Path(__file__).with_name("metric_sources.json")
ROOMS = (
    "sslbench.evaluation",
    "sslbench.metrics",
    "sslbench.neighbours",
    "sslbench.probe",
    "sslbench.standardisation",
)
WORDS = {"description"}  # keywords that are for people alone


class _ForPeople(ast.NodeTransformer):
    """Takes away docstrings and descriptions; comments and layout are no part of the syntax tree."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
        if isinstance(node, ast.Call):
            node.keywords = [k for k in node.keywords if k.arg not in WORDS]
        return node


def digest(source: str) -> str:
    """16 hex digits of what the source computes, whatever it says about it; its `version` is left out."""
    tree = _ForPeople().visit(ast.parse(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            node.body = [line for line in node.body if not _is_version(line)]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def sources(task: str, *, package: Path = PACKAGE) -> dict[str, str]:
    """File → digest, of the module of a task and of all that it imports from evaluation and metrics."""
    found: dict[str, str] = {}
    waiting = [f"sslbench.evaluation.{task}"]
    while waiting:
        module = waiting.pop()
        place = "/".join(module.split(".")[1:]) + ".py"
        if place not in found and (package / place).is_file():
            source = (package / place).read_text(encoding="utf-8")
            found[place] = digest(source)
            waiting += _imports(source)
    return dict(sorted(found.items()))


def recorded() -> dict[str, dict[str, object]]:
    """Task → its version and sources when they were last recorded."""
    table: dict[str, dict[str, object]] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def present() -> dict[str, dict[str, object]]:
    """The same as the code is now."""
    return {
        name: {"version": EVALUATIONS.constant(name, "version"), "sources": sources(name)}
        for name in EVALUATIONS.names()
    }


def _imports(source: str) -> list[str]:
    froms = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom) and n.module]
    return [str(node.module) for node in froms if str(node.module).startswith(ROOMS)]


def _is_version(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "version"
    )


if __name__ == "__main__":
    TABLE.write_text(json.dumps(present(), indent=1) + "\n", encoding="utf-8")
