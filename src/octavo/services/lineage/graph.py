"""What was made of what, as nodes and edges. This module knows nothing of catalogs or stores."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """Something that was made, or came from outside."""

    id: str
    kind: str
    about: dict[str, Any]


class Graph:
    """Nodes, and edges from what was there earlier to what came of it; no two alike.

    Attributes
    ----------
    nodes
        By their IDs.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._before: dict[str, dict[str, str]] = {}
        self._after: dict[str, dict[str, str]] = {}

    def add(self, kind: str, id_: str, **about: Any) -> bool:
        """Add a node; return False, and change nothing, if it is there."""
        if id_ in self.nodes:
            return False
        self.nodes[id_] = Node(id_, kind, about)
        self._before[id_], self._after[id_] = {}, {}
        return True

    def link(self, earlier: str, later: str, how: str) -> None:
        """Say that a node came of another one: the later was, or is, ``how`` the earlier."""
        self._before[later][earlier] = how
        self._after[earlier][later] = how

    def before(self, id_: str) -> list[Node]:
        """Return what a node was made of."""
        return [self.nodes[each] for each in self._before[id_]]

    def after(self, id_: str) -> list[Node]:
        """Return what was made of a node."""
        return [self.nodes[each] for each in self._after[id_]]

    @property
    def edges(self) -> list[dict[str, str]]:
        """All edges: ``from`` the earlier ``to`` the later, and ``how``."""
        return [
            {"from": earlier, "to": later, "how": how}
            for later, found in self._before.items()
            for earlier, how in found.items()
        ]


def document(*graphs: Graph) -> dict[str, Any]:
    """Return the nodes and edges of graphs together, as plain lists."""
    nodes: dict[str, dict[str, Any]] = {}
    for graph in graphs:
        for node in graph.nodes.values():
            nodes.setdefault(node.id, {"id": node.id, "kind": node.kind}).update(node.about)
    return {"nodes": [*nodes.values()], "edges": [each for graph in graphs for each in graph.edges]}
