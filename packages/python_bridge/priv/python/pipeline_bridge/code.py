"""Runs the code that a request names."""

import ast
import importlib


def run(request):
    if request["source"] is not None:
        return evaluate(request["source"], request["bindings"])
    function = find(request["target"], request["function"])
    return function(*request["args"], **_names(request["kwargs"]))


def find(target, path):
    """The function of a module, or the method of an object. Names may have dots."""
    found = importlib.import_module(str(target)) if isinstance(target, str) else target
    for name in path.split("."):
        found = getattr(found, name)
    return found


def evaluate(source, bindings):
    """Runs statements. The value is that of the last one, if it is an expression."""
    scope = {"__name__": "__main__", "__builtins__": __builtins__, **_names(bindings)}
    tree = ast.parse(source, "<eval>")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<eval>", "exec"), scope)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "<eval>", "eval"), scope)


def _names(pairs):
    # Keys are atoms or text to Elixir.
    return {str(name): value for name, value in pairs.items()}
