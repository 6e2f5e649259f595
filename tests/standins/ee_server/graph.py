"""Evaluates the expression that the ee client posts: {"values": {...}, "result": key}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ee_server.store import Store
from ee_server.values import Unsupported

ALGORITHMS: dict[str, Callable] = {}


def algorithm(*names: str) -> Callable:
    """Register a function of (evaluator, **arguments) under the service's names."""

    def register(function: Callable) -> Callable:
        ALGORITHMS.update(dict.fromkeys(names, function))
        return function

    return register


class Evaluator:
    def __init__(self, store: Store, expression: dict) -> None:
        self.store, self.values, self.root = store, expression["values"], expression["result"]
        self._memo: dict[str, Any] = {}

    def run(self) -> Any:
        return self._value(self.root, {})

    def _value(self, key: str, scope: dict) -> Any:
        if scope:  # in the body of a function a value depends on its arguments
            return self._node(self.values[key], scope)
        if key not in self._memo:
            self._memo[key] = self._node(self.values[key], scope)
        return self._memo[key]

    def _node(self, node: dict, scope: dict) -> Any:
        kind, content = next(iter(node.items()))
        if kind not in _NODES:
            raise Unsupported(f"node {sorted(node)}")
        return _NODES[kind](self, content, scope)

    def _invocation(self, call: dict, scope: dict) -> Any:
        arguments = {name: self._node(n, scope) for name, n in call["arguments"].items()}
        if "functionName" not in call:
            return self._value(call["functionReference"], scope)(*arguments.values())
        if call["functionName"] not in ALGORITHMS:
            raise Unsupported(f"algorithm {call['functionName']} is not in the stand-in")
        return ALGORITHMS[call["functionName"]](self, **arguments)

    def _function(self, definition: dict, scope: dict) -> Callable:
        names, body = definition["argumentNames"], definition["body"]
        return lambda *args: self._value(body, {**scope, **dict(zip(names, args, strict=True))})


_NODES: dict[str, Callable] = {
    "constantValue": lambda _ev, value, _scope: value,
    "integerValue": lambda _ev, value, _scope: int(value),
    "valueReference": lambda ev, key, scope: ev._value(key, scope),
    "argumentReference": lambda _ev, name, scope: scope[name],
    "arrayValue": lambda ev, array, scope: [ev._node(n, scope) for n in array["values"]],
    "dictionaryValue": lambda ev, mapping, scope: {
        name: ev._node(n, scope) for name, n in mapping["values"].items()
    },
    "functionDefinitionValue": lambda ev, definition, scope: ev._function(definition, scope),
    "functionInvocationValue": lambda ev, call, scope: ev._invocation(call, scope),
}
