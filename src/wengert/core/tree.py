"""Nested containers of tensors: taken apart into a list of leaves and put together again.

Containers are tuples, lists, dicts (in the order of their keys), named tuples, OrderedDicts,
defaultdicts and deques; everything else is a leaf, None included. A *spec* is what remains of
a tree without its leaves; specs compare equal when the trees have one structure.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any


class TreeSpec:
    """The structure of a tree: the kind of container, what rebuilds it, and the specs of its children."""

    __slots__ = ("children", "count", "keys", "kind")

    def __init__(self, kind: type | None, keys: Any, children: tuple[TreeSpec, ...]) -> None:
        self.kind, self.keys, self.children = kind, keys, children
        self.count: int = 1 if kind is None else sum(c.count for c in children)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec)
            and self.kind is other.kind
            and self.keys == other.keys
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.count, self.children))

    def is_leaf(self) -> bool:
        """Return True for the spec of a single leaf."""
        return self.kind is None

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        keys = list(self.keys) if self.kind in (dict, OrderedDict) else self.keys
        inner = ",\n  ".join(map(repr, self.children))
        return f"TreeSpec({self.kind.__name__}, {keys}, [{inner}])"

    def brief(self) -> str:
        """Return the tree as Python would write it, with a star for each leaf."""
        if self.kind is None:
            return "*"
        return repr(unflatten([_Star()] * self.count, self))


class _Star:
    def __repr__(self) -> str:
        return "*"


LEAF_SPEC = TreeSpec(None, None, ())


def is_namedtuple(x: Any) -> bool:
    """Return True for an instance of a class that namedtuple made."""
    return isinstance(x, tuple) and hasattr(x, "_fields")


def _open(x: Any) -> tuple[list, Any] | None:
    """Return the children of a container and what else rebuilds it; None for a leaf."""
    kind = x.__class__
    if kind is tuple or kind is list:
        return list(x), None
    if kind is dict or kind is OrderedDict:
        return list(x.values()), tuple(x)
    if kind is defaultdict:
        return list(x.values()), (x.default_factory, tuple(x))
    if kind is deque:
        return list(x), x.maxlen
    if is_namedtuple(x):
        return list(x), None
    return None


def _close(kind: Any, keys: Any, children: list) -> Any:
    if kind is tuple or kind is list:
        return kind(children)
    if kind is dict or kind is OrderedDict:
        return kind(zip(keys, children, strict=True))
    if kind is defaultdict:
        return defaultdict(keys[0], zip(keys[1], children, strict=True))
    if kind is deque:
        return deque(children, keys)
    return kind(*children)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, TreeSpec]:
    """Return the leaves of a tree, in order, and its spec.

    >>> leaves, spec = flatten({"a": [1, 2], "b": (3, None)})
    >>> leaves, spec.brief()
    ([1, 2, 3, None], "{'a': [*, *], 'b': (*, *)}")
    """
    leaves: list = []
    return leaves, _walk(tree, leaves, is_leaf)


def _walk(tree: Any, leaves: list, is_leaf: Callable[[Any], bool] | None) -> TreeSpec:
    opened = None if is_leaf is not None and is_leaf(tree) else _open(tree)
    if opened is None:
        leaves.append(tree)
        return LEAF_SPEC
    children, keys = opened
    return TreeSpec(tree.__class__, keys, tuple([_walk(c, leaves, is_leaf) for c in children]))


def unflatten(leaves: list, spec: TreeSpec) -> Any:
    """Return the tree of a spec with these leaves.

    >>> unflatten([1, 2], flatten(("x", ["y"]))[1])
    (1, [2])
    """
    if len(leaves) != spec.count:
        raise ValueError(f"unflatten(): the spec {spec!r} has {spec.count} leaves, {len(leaves)} were given")
    return _build(iter(leaves), spec)


def _build(leaves: Any, spec: TreeSpec) -> Any:
    if spec.kind is None:
        return next(leaves)
    return _close(spec.kind, spec.keys, [_build(leaves, c) for c in spec.children])


def tree_map(fn: Callable, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Return the tree with `fn` applied to each leaf.

    >>> tree_map(lambda x: 10 * x, {"a": 1, "b": [2]})
    {'a': 10, 'b': [20]}
    """
    leaves, spec = flatten(tree, is_leaf)
    return unflatten([fn(x) for x in leaves], spec)


def broadcast_prefix(prefix: Any, spec: TreeSpec) -> list | None:
    """Return one value for each leaf of `spec`: `prefix` is a tree that ends where it speaks for a whole branch.

    None when the prefix does not fit the structure.

    >>> broadcast_prefix((0, None), flatten(([1, 2], 3))[1])
    [0, 0, None]
    """
    opened = _open(prefix)
    if opened is None:
        return [prefix] * spec.count
    children, keys = opened
    same_kind = spec.kind is prefix.__class__ and keys == spec.keys
    if not same_kind or len(children) != len(spec.children):
        return None
    found: list = []
    for child, child_spec in zip(children, spec.children, strict=True):
        part = broadcast_prefix(child, child_spec)
        if part is None:
            return None
        found += part
    return found
