"""What a Python file says about itself, from its text alone: nothing of the project's is run."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Code:
    """Facts of one file.

    Attributes:
        guarded: It has `if __name__ == "__main__"`.
        called: Names that are called where it is run as a program.
        relative: It imports relatively, so it runs only as a part of its package.
        imports: Dotted names that it imports absolutely.
        functions: Functions at its top level, each with its decorators.
        assigned: At its top level, what is called to make each name: `app = FastAPI()` gives `app: "FastAPI"`.
        tree: The whole; None where it is not Python.
    """

    guarded: bool = False
    called: frozenset[str] = frozenset()
    relative: bool = False
    imports: frozenset[str] = frozenset()
    functions: dict[str, list[ast.expr]] = field(default_factory=dict)
    assigned: dict[str, str] = field(default_factory=dict)
    tree: ast.Module | None = None

    def uses(self, package: str) -> bool:
        """Whether it imports a package or something in it."""
        return any(name == package or name.startswith(f"{package}.") for name in self.imports)


def read_code(text: str) -> Code:
    """Read a file's text; one that is not Python says nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Code()
    functions: dict[str, list[ast.expr]] = {}
    assigned: dict[str, str] = {}
    called: set[str] = set()
    guarded = False
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions[statement.name] = statement.decorator_list
        elif isinstance(statement, ast.If) and _is_guard(statement.test):
            guarded = True
            called |= {call_name(node) for node in ast.walk(statement) if isinstance(node, ast.Call)}
        else:
            called |= {call_name(node) for node in ast.walk(statement) if isinstance(node, ast.Call)}
            assigned |= _assignment(statement)
    imports, relative = _imports(tree)
    return Code(
        guarded=guarded,
        called=frozenset(called),
        relative=relative,
        imports=frozenset(imports),
        functions=functions,
        assigned=assigned,
        tree=tree,
    )


def call_name(node: ast.expr) -> str:
    """The last name of what is called or decorates: `nox.session(...)` is `session`."""
    while isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_guard(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1:
        return False
    sides = [test.left, test.comparators[0]]
    names = {side.id for side in sides if isinstance(side, ast.Name)}
    values = {side.value for side in sides if isinstance(side, ast.Constant)}
    return names == {"__name__"} and values == {"__main__"}


def _assignment(statement: ast.stmt) -> dict[str, str]:
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return {}
    if not isinstance(value, ast.Call):
        return {}
    return {target.id: call_name(value) for target in targets if isinstance(target, ast.Name)}


def _imports(tree: ast.Module) -> tuple[set[str], bool]:
    found: set[str] = set()
    relative = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                relative = True
            elif node.module:
                found.add(node.module)
    return found, relative
