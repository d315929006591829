"""The part of CloudWatch metric math that our alarms use, on series of equal length.

Syntax and functions:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
A missing datapoint is None. Between two series it counts as zero, if the other has a datapoint;
division by zero gives None.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Value = float | None
Series = list[Value]
_Scalar = float

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda a, b: bool(a) and bool(b),
    ast.Or: lambda a, b: bool(a) or bool(b),
}
_ACROSS: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
}


def evaluate(expression: str, series: Mapping[str, Series], length: int) -> Series:
    """Return the series of `expression`. Raises ValueError for what is not supported."""
    text = expression.replace("&&", " and ").replace("||", " or ").replace("^", "**")
    text = re.sub(r"\b(AND|OR)\b", lambda word: word[0].lower(), text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise ValueError(f"metric math not understood: {expression}") from None

    def visit(node: ast.AST) -> Series | _Scalar:
        match node:
            case ast.Constant(value=int() | float() as value):
                return float(value)
            case ast.Name(id=name) if name in series:
                return series[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _pairwise(operator.sub, 0.0, visit(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _pairwise(_OPERATORS[type(op)], visit(left), visit(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return _pairwise(_OPERATORS[type(op)], visit(left), visit(right))
            case ast.BoolOp(op=op, values=[first, *others]):
                result = visit(first)
                for other in others:
                    result = _pairwise(_OPERATORS[type(op)], result, visit(other))
                return result
            case ast.Call(func=ast.Name(id="IF"), args=[condition, *branches]) if len(branches) < 3:
                chosen = [each(branch) for branch in branches] + [[None] * length] * 2
                return [
                    None if yes is None else (a or 0.0) if yes else b
                    for yes, a, b in zip(each(condition), *chosen[:2], strict=True)
                ]
            case ast.Call(func=ast.Name(id="FILL"), args=[filled, ast.Name(id="REPEAT")]):
                return _repeat(each(filled))
            case ast.Call(func=ast.Name(id="FILL"), args=[filled, filler]):
                pairs = zip(each(filled), each(filler), strict=True)
                return [b if a is None else a for a, b in pairs]
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _ACROSS:
                return across(_ACROSS[name], argument)
        raise ValueError(f"metric math not understood: {ast.unparse(node)} in {expression}")

    def each(node: ast.AST) -> Series:
        found = visit(node)
        return [found] * length if isinstance(found, _Scalar) else found

    def across(function: Callable[[Sequence[float]], float], argument: ast.AST) -> Series:
        if isinstance(argument, ast.List):
            columns = list(zip(*map(each, argument.elts), strict=True))
        else:  # with one series these functions return one number
            columns = [tuple(each(argument))] * length
        present = [[v for v in column if v is not None] for column in columns]
        return [function(values) if values else None for values in present]

    return each(tree)


def _pairwise(
    function: Callable[[Any, Any], float], left: Series | _Scalar, right: Series | _Scalar
) -> Series | _Scalar:
    if isinstance(left, _Scalar):
        if isinstance(right, _Scalar):
            return float(function(left, right))
        return [_apply(function, left, b) for b in right]
    if isinstance(right, _Scalar):
        return [_apply(function, a, right) for a in left]
    return [
        None if a is None and b is None else _apply(function, a or 0.0, b or 0.0)
        for a, b in zip(left, right, strict=True)
    ]


def _apply(function: Callable[[Any, Any], float], a: Value, b: Value) -> Value:
    if a is None or b is None:
        return None
    try:
        return float(function(a, b))
    except (ZeroDivisionError, OverflowError):
        return None


def _repeat(series: Series) -> Series:
    last: Value = None
    return [last := value if value is not None else last for value in series]
