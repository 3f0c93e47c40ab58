"""What is measured: one module for each scenario."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    rounds: int
    seconds: int
    connections: int
    reloads: int
