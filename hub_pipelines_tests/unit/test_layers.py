"""The direction of imports, read from the source: a forbidden one fails with file, import and rule.

To add a package: name it in LAYERS, on the layer above everything that it imports.
"""

import ast
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "hub_pipelines"
ROOT = Path(__file__).resolve().parents[2] / PACKAGE

LAYERS: tuple[tuple[str, ...], ...] = (
    ("common", "samples"),
    ("audit", "settings", "logs"),
    ("health",),
    ("submission",),
    ("intake", "archive", "pausing", "resting"),
    ("validate",),
    ("ledger",),
    ("review",),
    ("drift", "retention", "portals", "findings"),
    ("mapping",),
    ("report",),
    ("judging", "returning", "vouching"),
    ("rows_to_fix",),
    ("preparing",),
    ("processing", "previewing", "recounting"),
    ("ending",),
    ("hub",),
    (
        "launching",
        "evidence",
        "timeline",
        "rebuilding",
        "rehearsing",
        "resubmitting",
        "locks",
        "pruning",
        "removals",
        "schedule",
        "messaging",
    ),
    ("publishing", "recovery", "doctor", "requeueing"),
    ("metrics",),
    ("defs", "deployment", "demo", "cli", "web", "simulation", "definitions"),
)
"""Lowest first. A part imports lower layers only; the parts of the last layer may import each other."""

ONLY_COMMON = {"audit", "settings", "logs", "submission"}
FREE_WHILE_TYPING = {("intake", "archive"), ("archive", "intake")}
NARROW = {("review", "intake"): f"{PACKAGE}.intake.model"}
"""Of a lower part these may see one module only."""

MAY_IMPORT_DAGSTER = {
    "deployment.py": "writes Dagster's instance configuration and starts its daemon and web server",
    "web/dagster_ui.py": "serves Dagster's own page behind the hub's guard (0126)",
}
"""Outside defs/ and definitions.py, each with its reason."""

MODELS_MAY_IMPORT = {"pydantic"}
"""Beside the standard library, other model.py, staging and common (without its stores)."""


@dataclass(frozen=True)
class Import:
    """One imported name. `name` is the module, or the module and what is taken from it."""

    file: str
    line: int
    name: str
    typing_only: bool

    @property
    def part(self) -> str:
        """The package (or top-level module) whose code this import stands in."""
        return Path(self.file).parts[0].removesuffix(".py")

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]

    @property
    def target(self) -> str | None:
        """The part of the project that is imported; None for other packages."""
        names = self.name.split(".")
        return names[1] if names[0] == PACKAGE and len(names) > 1 else None

    def broken(self, rule: str) -> str:
        return f"{PACKAGE}/{self.file}:{self.line} imports {self.name}: {rule}"


@functools.cache
def imports_of(root: Path) -> tuple[Import, ...]:
    return tuple(found for path in sorted(root.rglob("*.py")) for found in _imports(path, path.relative_to(root)))


def _imports(path: Path, file: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for name in _names(node, file):
            yield Import(file.as_posix(), node.lineno, name, id(node) in typing_only)  # type: ignore[attr-defined]


def _names(node: ast.AST, file: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        here = (PACKAGE, *file.parent.parts)
        base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
        module = ".".join(filter(None, (base, node.module)))
        yield from (f"{module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"import_module", "__import__"}:
        yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


# ---- the rules: each gives one sentence for each broken import


def undeclared_parts(root: Path) -> Iterator[str]:
    known = {part for layer in LAYERS for part in layer}
    for path in sorted(root.iterdir()):
        is_part = path.is_dir() and any(path.rglob("*.py"))
        is_module = path.suffix == ".py" and path.stem != "__init__"
        if (is_part or is_module) and path.stem not in known:
            yield (
                f"{PACKAGE}/{path.name} is on no layer. "
                f"Name {path.stem!r} in LAYERS of {Path(__file__).name}, above everything that it imports."
            )


def against_the_direction(root: Path) -> Iterator[str]:
    rank = {part: number for number, layer in enumerate(LAYERS) for part in layer}
    for one in imports_of(root):
        if one.target is None or one.part == one.target or one.target not in rank:
            continue
        if one.part == "__init__":
            yield one.broken(f"{PACKAGE}/__init__.py imports no part of the project")
        elif one.part not in rank or (one.typing_only and (one.part, one.target) in FREE_WHILE_TYPING):
            continue
        elif one.part in ONLY_COMMON and one.target != "common":
            yield one.broken(f"{one.part} imports nothing of the project but common")
        elif rank[one.target] > rank[one.part]:
            yield one.broken(f"{one.target} is above {one.part}; imports point downwards only")
        elif rank[one.target] == rank[one.part] < len(LAYERS) - 1:
            yield one.broken(f"{one.part} and {one.target} are on one layer and don't know each other")
        elif not _within(one.name, NARROW.get((one.part, one.target), PACKAGE)):
            yield one.broken(f"of {one.target}, {one.part} may import {NARROW[one.part, one.target]} only")


def dagster_outside_its_place(root: Path) -> Iterator[str]:
    for one in imports_of(root):
        allowed = one.part in {"defs", "definitions"} or one.file in MAY_IMPORT_DAGSTER
        if (one.top == "dagster" or one.top.startswith("dagster_")) and not allowed:
            yield one.broken("only defs/, definitions.py and the modules in MAY_IMPORT_DAGSTER know Dagster")


def sqlalchemy_outside_stores(root: Path) -> Iterator[str]:
    for one in imports_of(root):
        steps = one.file.startswith("common/schema/")
        if one.top == "sqlalchemy" and Path(one.file).name != "store.py" and not steps:
            yield one.broken("only files named store.py speak to a database")


def impure_models(root: Path) -> Iterator[str]:
    for one in imports_of(root):
        if Path(one.file).name == "model.py" and not _pure(one):
            yield one.broken(
                "a model.py imports the standard library, pydantic, other model.py, staging and common (not its store)"
            )


def _pure(one: Import) -> bool:
    if one.target is None:
        return one.top in sys.stdlib_module_names or one.top in MODELS_MAY_IMPORT
    if one.target == "common":
        return "store" not in one.name.split(".")
    return bool({"model", "staging"} & set(one.name.split(".")[2:4]))


def _within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


Rule = Callable[[Path], Iterator[str]]
RULES: dict[str, Rule] = {
    "every_package_is_on_a_layer": undeclared_parts,
    "imports_point_downwards_only": against_the_direction,
    "dagster_is_known_in_defs_only": dagster_outside_its_place,
    "sqlalchemy_is_known_in_stores_only": sqlalchemy_outside_stores,
    "models_are_pure": impure_models,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    broken = list(rule(ROOT))
    assert not broken, "\n" + "\n".join(broken)


def test_the_modules_of_the_project_are_found() -> None:
    assert {"hub", "intake", "ledger"} <= {one.part for one in imports_of(ROOT)}
    assert any(one.typing_only for one in imports_of(ROOT))


def test_every_exception_for_dagster_has_a_reason() -> None:
    assert all(len(reason.split()) > 3 for reason in MAY_IMPORT_DAGSTER.values())


# ---- the rules themselves, on small trees that break them


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("rule", "file", "text", "names", "why"),
    [
        ("imports_point_downwards_only", "intake__service", "import hub_pipelines.ledger.store", "ledger", "above"),
        ("imports_point_downwards_only", "validate__service", "from hub_pipelines import hub", "hub", "above"),
        ("imports_point_downwards_only", "ledger__model", "from ..review import model", "review.model", "above"),
        ("imports_point_downwards_only", "intake__service", "def f():\n    import hub_pipelines.defs", "defs", "above"),
        (
            "imports_point_downwards_only",
            "ledger__model",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hub_pipelines.report.model import X",
            "report",
            "above",
        ),
        (
            "imports_point_downwards_only",
            "ledger__model",
            "import importlib\nimportlib.import_module('hub_pipelines.review.store')",
            "review.store",
            "above",
        ),
        ("imports_point_downwards_only", "archive__objects", "import hub_pipelines.intake.model", "intake", "on one"),
        (
            "imports_point_downwards_only",
            "submission__store",
            "import hub_pipelines.audit.store",
            "audit",
            "but common",
        ),
        (
            "imports_point_downwards_only",
            "settings",
            "import hub_pipelines.submission.model",
            "submission",
            "but common",
        ),
        ("imports_point_downwards_only", "review__service", "import hub_pipelines.intake.store", "intake", "only"),
        ("imports_point_downwards_only", "__init__", "import hub_pipelines.hub", "hub", "no part"),
        ("dagster_is_known_in_defs_only", "intake__service", "import dagster as dg", "dagster", "MAY_IMPORT_DAGSTER"),
        ("dagster_is_known_in_defs_only", "hub", "from dagster_postgres import X", "dagster_postgres.X", "MAY_IMPORT"),
        (
            "sqlalchemy_is_known_in_stores_only",
            "intake__service",
            "from sqlalchemy import X",
            "sqlalchemy.X",
            "store.py",
        ),
        ("models_are_pure", "ledger__model", "import pyarrow", "pyarrow", "model.py imports"),
        ("models_are_pure", "ledger__model", "import hub_pipelines.common.store", "common.store", "model.py imports"),
        ("models_are_pure", "ledger__model", "from hub_pipelines.submission import store", "store", "model.py imports"),
    ],
)
def test_a_broken_rule_is_told_with_file_import_and_rule(
    tmp_path: Path, rule: str, file: str, text: str, names: str, why: str
) -> None:
    root = tree(tmp_path, **({} if file == "__init__" else {file: text}))
    if file == "__init__":
        (root / "__init__.py").write_text(text, encoding="utf-8")
    (told,) = RULES[rule](root)
    path = "__init__.py" if file == "__init__" else file.replace("__", "/") + ".py"
    assert told.startswith(f"hub_pipelines/{path}:")
    assert names in told
    assert why in told


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "archive__objects",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hub_pipelines.intake.model",
        ),
        ("review__store", "from hub_pipelines.intake.model import Arrival"),
        ("cli", "import hub_pipelines.demo"),
        ("defs__assets", "import dagster"),
        ("deployment", "import dagster"),
        ("audit__store", "import sqlalchemy.orm"),
        ("ledger__model", "import datetime\nimport pydantic\nfrom hub_pipelines.validate.staging import StagedRow"),
        ("report__model", "from hub_pipelines.common import clock\nfrom hub_pipelines.ledger import model"),
    ],
)
def test_what_the_rules_allow_breaks_none(tmp_path: Path, file: str, text: str) -> None:
    root = tree(tmp_path, **{file: text})
    assert [told for rule in RULES.values() for told in rule(root)] == []


@pytest.mark.parametrize("name", ["payroll.py", "payroll/x.py"])
def test_a_new_package_must_be_put_on_a_layer(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("", encoding="utf-8")
    (told,) = undeclared_parts(tmp_path)
    assert "hub_pipelines/payroll" in told
    assert "Name 'payroll' in LAYERS" in told
