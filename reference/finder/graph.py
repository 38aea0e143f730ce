"""A network as a graph of layers: data, which torch runs for training and a shipped file holds for NumPy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A step of a graph.

    Attributes:
        name: of what comes out.
        kind: ``conv``; ``add`` of two; ``pool``, a maximum; ``finer``, values repeated twice to each side.
        inputs: what goes in; of a convolution several are put side by side.
        channels: of what comes out.
        size: of the kernel of a convolution or a pool.
        stride: of a convolution.
        depthwise: whether a convolution keeps channels apart.
        act: ``swish``, or nothing.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    channels: int
    size: int = 1
    stride: int = 1
    depthwise: bool = False
    act: str = ""


class Graph:
    """A graph that is being written down; its methods add nodes and give their names."""

    def __init__(self, source: str, channels: int) -> None:
        self.nodes: list[Node] = []
        self._channels = {source: channels}

    def channels(self, *names: str) -> int:
        """Of some nodes together."""
        return sum(self._channels[name] for name in names)

    def add(self, node: Node) -> str:
        """Add a node."""
        self.nodes.append(node)
        self._channels[node.name] = node.channels
        return node.name

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.nodes)}"

    def conv(self, inputs: str | tuple[str, ...], channels: int, size: int = 1, act: str = "swish") -> str:
        """A convolution."""
        inputs = (inputs,) if isinstance(inputs, str) else inputs
        return self.add(Node(self._name("c"), "conv", inputs, channels, size, act=act))

    def separable(self, x: str, channels: int, stride: int = 1) -> str:
        """A depthwise convolution of 3x3, and a pointwise one."""
        node = Node(self._name("d"), "conv", (x,), self.channels(x), 3, stride, True, "swish")
        return self.conv(self.add(node), channels)

    def sum(self, a: str, b: str) -> str:
        """The sum of two."""
        return self.add(Node(self._name("s"), "add", (a, b), self.channels(a)))

    def finer(self, x: str) -> str:
        """Values repeated to a grid twice as fine."""
        return self.add(Node(self._name("u"), "finer", (x,), self.channels(x)))

    def partial(self, inputs: str | tuple[str, ...], channels: int, count: int, shortcut: bool) -> str:
        """A stage of which one half goes through bottlenecks."""
        x, other = self.conv(inputs, channels // 2), self.conv(inputs, channels // 2)
        for _ in range(count):
            y = self.separable(self.conv(x, channels // 2), channels // 2)
            x = self.sum(y, x) if shortcut else y
        return self.conv((x, other), channels)
