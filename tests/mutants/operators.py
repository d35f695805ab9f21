"""Which small faults can be put into a module: each is one expression or statement replaced."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Pow: ast.Mult,
}  # fmt: skip
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
# Conditions for which another operator has a fault already.
_HAVE_THEIR_OWN = (ast.Compare, ast.BoolOp, ast.UnaryOp)

# What replaces a node; ``None`` takes a statement away.
Replacement: TypeAlias = "ast.expr | ast.stmt | None"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes:
        module: dotted name of the module.
        function: qualified name of the function or class around it, ``""`` = none.
        line: where it is, from 1.
        before: the code that is replaced, on one line.
        after: what replaces it.
        text: the whole module with the fault.
    """

    module: str
    function: str
    line: int
    before: str
    after: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, good even after other lines were added."""
        return ".".join(filter(None, (self.module, self.function)))


def mutants_of(module: str, text: str) -> list[Mutant]:
    """All faults that can be put into a module, in the order of their lines."""
    tree = ast.parse(text)
    found = [
        _mutant(module, function, text, node, replacement)
        for node, function in _nodes(tree, "")
        for operator in _OPERATORS
        for replacement in operator(node)
    ]
    found += [
        _mutant(module, function, text, node.test, ast.UnaryOp(ast.Not(), node.test))
        for node, function in _nodes(tree, "")
        if isinstance(node, ast.If) and not isinstance(node.test, _HAVE_THEIR_OWN)
    ]
    unique = {mutant.text: mutant for mutant in found if mutant.before != mutant.after}
    return sorted(unique.values(), key=lambda mutant: mutant.line)


def _mutant(
    module: str, function: str, text: str, node: ast.expr | ast.stmt, replacement: Replacement
) -> Mutant:
    after = "pass" if replacement is None else _one_line(replacement)
    code = f"({after})" if isinstance(node, ast.expr) else after
    lines = text.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: (node.end_lineno or 0) - 1])) + (node.end_col_offset or 0)
    whole = text.encode()
    changed = (whole[:start] + code.encode() + whole[end:]).decode()
    return Mutant(module, function, node.lineno, _one_line(node), after, changed)


def _one_line(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _nodes(parent: ast.AST, function: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Every node that is behaviour, with the name of the function around it.

    Annotations, decorators, docstrings, log lines and texts for people are none.
    """
    for name, value in ast.iter_fields(parent):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or _is_text(node):
                continue
            inside = function
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = f"{function}.{node.name}".lstrip(".")
            elif isinstance(node, ast.expr | ast.stmt) and not _is_unpacked(parent, node):
                yield node, function
            yield from _nodes(node, inside)


def _is_unpacked(parent: ast.AST, node: ast.AST) -> bool:
    """Whether as many values are needed as names stand on the left side."""
    match parent:
        case ast.Assign(targets=[ast.Tuple()], value=ast.Tuple() as value):
            return value is node
        case _:
            return False


def _is_text(node: ast.AST) -> bool:
    """Whether it only says something, to people or to the type checker."""
    match node:
        case (
            ast.JoinedStr() | ast.Raise() | ast.Import() | ast.ImportFrom() | ast.Assert()
            | ast.Expr(value=ast.Constant())
            | ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger"))))
            | ast.Call(func=ast.Name(id="TypeVar" | "cast" | "assert_never"))
            | ast.FunctionDef(name="__str__" | "__repr__")
            | ast.AnnAssign(annotation=ast.Name(id="TypeAlias"))
        ):  # fmt: skip
            return True
        case _:
            return False


def _other_comparison(node: ast.AST) -> Iterator[Replacement]:
    if not isinstance(node, ast.Compare):
        return
    for index, operator in enumerate(node.ops):
        changed = copy.deepcopy(node)
        changed.ops[index] = _COMPARISONS[type(operator)]()
        yield changed


def _other_logic(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.BoolOp(op=operator, values=values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield ast.BoolOp(other, values)
            for index in range(len(values)):
                rest = values[:index] + values[index + 1 :]
                yield ast.BoolOp(operator, rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case _:
            pass


def _other_arithmetic(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            # A union of types cannot be anything else.
            if not ast.unparse(right).rpartition(".")[2][0].isupper():
                yield ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
        case ast.AugAssign(target=target, op=operator, value=value):
            if type(operator) in _ARITHMETIC:
                yield ast.AugAssign(target, _ARITHMETIC[type(operator)](), value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield operand
        case _:
            pass


def _other_constant(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
            if value not in (0, 1):
                yield ast.Constant(0)
        case _:
            pass


def _other_call(node: ast.AST) -> Iterator[Replacement]:
    if not isinstance(node, ast.Call):
        return
    if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        changed = copy.deepcopy(node)
        changed.func = ast.Name(_CALLS[node.func.id])
        if node.func.id == "sorted":
            changed.keywords = []
        yield changed
    for index in range(len(node.keywords)):
        changed = copy.deepcopy(node)
        del changed.keywords[index]
        yield changed


def _fewer_elements(node: ast.AST) -> Iterator[Replacement]:
    """One element less, where a number of elements is no promise."""
    if not isinstance(node, ast.Tuple | ast.Set | ast.List | ast.Dict):
        return
    parts = node.values if isinstance(node, ast.Dict) else node.elts
    starred = any(isinstance(part, ast.Starred) for part in parts)
    names = all(isinstance(part, ast.Name | ast.Attribute) for part in parts)
    if len(parts) < 2 or not (starred or names) or not _is_read(node):
        return
    for index in range(len(parts)):
        changed = copy.deepcopy(node)
        if isinstance(changed, ast.Dict):
            del changed.keys[index], changed.values[index]
        else:
            del changed.elts[index]
        yield changed


def _is_read(node: ast.expr) -> bool:
    return not isinstance(node, ast.Tuple | ast.List) or isinstance(node.ctx, ast.Load)


def _fewer_filters(node: ast.AST) -> Iterator[Replacement]:
    if not isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return
    for number, generator in enumerate(node.generators):
        for index in range(len(generator.ifs)):
            changed = copy.deepcopy(node)
            del changed.generators[number].ifs[index]
            yield changed


def _other_statement(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Delete():
            yield None
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield None
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Return(value=ast.Constant(value=None)):
            yield ast.Return(ast.Constant(1))
        case _:
            pass


_OPERATORS: tuple[Callable[[ast.AST], Iterator[Replacement]], ...] = (
    _other_comparison,
    _other_logic,
    _other_arithmetic,
    _other_constant,
    _other_call,
    _fewer_elements,
    _fewer_filters,
    _other_statement,
)
