"""Python source from a tree of calls, lists and words, broken into lines as a formatter would.

It knows nothing of Octavo.
"""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

WIDTH = 100


@dataclass(frozen=True)
class Group:
    """``function(argument, …)``, ``[item, …]`` or ``{key: item, …}``."""

    opening: str
    items: "Sequence[Item]"
    closing: str


@dataclass(frozen=True)
class Each:
    """``[element for what in [value, …]]``, or ``*(…)`` among other items."""

    element: "Code"
    values: Sequence[str]
    among: bool = True

    @property
    def ends(self) -> tuple[str, str]:
        """What stands at its beginning and its end."""
        return ("*(", ")") if self.among else ("[", "]")


Code = str | Group | Each


@dataclass(frozen=True)
class Item:
    """An argument or item.

    Attributes
    ----------
    value
        None: the comment stands alone.
    key
        What stands before the value, with its sign.
    comment
        Stands behind it, or above it where it does not fit.
    off
        The item is itself written as a comment, so that it is easily put back.
    """

    value: Code | None
    key: str = ""
    comment: str = ""
    off: bool = False


def call(function: str, *positional: Code, **named: Code | None) -> Group:
    """Return a call; a keyword that is None is left out."""
    given = [Item(value, f"{key}=") for key, value in named.items() if value is not None]
    return Group(f"{function}(", [*map(Item, positional), *given], ")")


def argument(key: str, value: Code, comment: str = "") -> Item:
    """Return a keyword argument with something to say."""
    return Item(value, f"{key}=", comment)


def listed(values: Sequence[Code | Item]) -> Code:
    """Return a list."""
    if len(values) == 1 and isinstance(values[0], Each):
        return replace(values[0], among=False)
    return Group("[", [v if isinstance(v, Item) else Item(v) for v in values], "]")


def mapped(values: Mapping[str, Code]) -> Group | None:
    """Return a dictionary with texts as keys; None if there is nothing in it."""
    found = [Item(value, f"{text(key)}: ") for key, value in values.items()]
    return Group("{", found, "}") if found else None


def text(value: str) -> str:
    """Return a text as a Python literal."""
    return json.dumps(value, ensure_ascii=False)


def texts(values: Sequence[str]) -> Code:
    """Return one text as it is, several as a list."""
    return text(values[0]) if len(values) == 1 else listed([text(value) for value in values])


def column(name: str) -> str:
    """Return the expression of a column."""
    return f"pl.col({text(name)})"


def parsed(source: str) -> Code:
    """Return the source of an expression as a tree, so that it can be broken into lines."""

    def tree(node: ast.expr) -> Code:
        own = ast.get_source_segment(source, node) or ""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name())):
                items = [Item(tree(each)) for each in node.args]
                items += [Item(tree(each.value), f"{each.arg}=") for each in node.keywords]
                return Group(own[: own.index("(") + 1], items, ")")
            case ast.Dict():
                pairs = zip(node.keys, node.values, strict=True)
                keyed = [Item(tree(v), f"{tree(k)}: ") for k, v in pairs if k is not None]
                return Group("{", keyed, "}")
            case ast.List():
                return Group("[", [Item(tree(each)) for each in node.elts], "]")
        return own

    return tree(ast.parse(source, mode="eval").body)


def names_in(source: str) -> set[str]:
    """Return what source calls by name."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def number(value: float) -> str:
    """Return a number as a person writes it, without an exponent where it can be."""
    shown = f"{value:.6g}"
    return f"{value:.12f}".rstrip("0") if "e-" in shown and abs(value) >= 1e-9 else shown


def comment(said: str, width: int = WIDTH) -> list[str]:
    """Return a text as comment lines."""
    lines, line = [], "#"
    for word in said.split():
        if len(line) + 1 + len(word) > width and line != "#":
            lines.append(line)
            line = "#"
        line += f" {word}"
    return [*lines, line]


def written(code: Code, indent: int = 0, before: int = 0) -> str:
    """Return source text.

    Parameters
    ----------
    indent
        Blanks at the beginning of its lines but the first.
    before
        Characters that stand on the first line before it, and behind it.
    """
    flat = _flat(code)
    if isinstance(code, str) or (flat is not None and indent + before + len(flat) <= WIDTH):
        return flat or str(code)
    pad = " " * (indent + 4)
    if isinstance(code, Each):
        element = written(code.element, indent + 4)
        values = filled(code.values, indent + 4, len("for what in "))
        opening, closing = code.ends
        return f"{opening}\n{pad}{element}\n{pad}for what in {values}\n{' ' * indent}{closing}"
    lines = [pad + line for item in code.items for line in _lines(item, indent + 4)]
    return "\n".join([code.opening, *lines, " " * indent + code.closing])


def filled(values: Sequence[str | Item], indent: int = 0, before: int = 0) -> str:
    """Return a list with as many plain values on a line as go there."""
    plain = [value for value in values if isinstance(value, str)]
    flat = f"[{', '.join(plain)}]"
    if len(plain) == len(values) and indent + before + len(flat) <= WIDTH:
        return flat
    pad, lines, line, mark = " " * (indent + 4), ["["], "", ""
    for value in values:
        item = value if isinstance(value, Item) else Item(value)
        packs = item.value is not None and not item.comment
        piece = f"{item.value}, "
        if line and (not packs or mark != "# " * item.off or len(line + piece) > WIDTH + 1):
            lines.append(line.rstrip())
            line = ""
        if packs:
            mark = "# " * item.off
            line = (line or pad + mark) + piece
        else:
            lines += [pad + one for one in _lines(item, indent + 4)]
    return "\n".join([*lines, *([line.rstrip()] if line else []), " " * indent + "]"])


def _flat(code: Code) -> str | None:
    """Return a tree on one line; None if there is something to say in it."""
    if isinstance(code, str):
        return code
    if isinstance(code, Each):
        element = _flat(code.element)
        opening, closing = code.ends
        inner = f"{element} for what in [{', '.join(code.values)}]"
        return element and f"{opening}{inner}{closing}"
    parts = []
    for item in code.items:
        part = None if item.value is None or item.comment or item.off else _flat(item.value)
        if part is None:
            return None
        parts.append(item.key + part)
    return f"{code.opening}{', '.join(parts)}{code.closing}"


def _lines(item: Item, indent: int) -> list[str]:
    """Return the lines of an item: all that follow the first are indented already."""
    width = WIDTH - indent
    if item.value is None:
        return comment(item.comment, width)
    head = "# " * item.off + item.key
    whole = head + written(item.value, indent, len(head) + 1) + ","
    first, *rest = whole.split("\n")
    rest = ["# " * item.off + line.removeprefix(" " * indent) for line in rest]
    if not item.comment:
        return [first, *rest]
    if not rest and len(first) + len(item.comment) + 4 <= width:
        return [f"{first}  # {item.comment}"]
    return [*comment(item.comment, width), first, *rest]
