"""What a scenario has found: shown, and written for others to read."""

import datetime
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """A figure that is promised, and what was measured."""

    what: str
    limit: float
    measured: float
    unit: str = ""

    @property
    def verdict(self) -> str:
        return "met" if self.measured <= self.limit else "missed"

    def row(self) -> list[str]:
        limit, measured = f"{self.limit:g}{self.unit}", f"{self.measured:.3g}{self.unit}"
        return [self.what, f"at most {limit}", measured, self.verdict]


@dataclass(frozen=True)
class Table:
    """Columns of text; the first is what the row is about."""

    columns: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        rule = ["-" * width for width in widths]
        return "\n".join(
            "| " + " | ".join(map(str.ljust, line, widths)) + " |"
            for line in [self.columns, rule, *self.rows]
        )


@dataclass
class Report:
    """One scenario's result."""

    name: str
    title: str
    how: str
    figures: Table
    targets: list[Target]
    raw: dict[str, Any] = field(default_factory=dict)

    def promises(self) -> Table:
        columns = ["target", "limit", "measured", "verdict"]
        return Table(columns, [target.row() for target in self.targets])

    def show(self) -> str:
        """For a terminal."""
        return f"\n{self.title}\n\n{self.figures.markdown()}\n\n{self.promises().markdown()}\n"

    def write(self, folder: Path, facts: dict[str, str]) -> None:
        """As a page and as data, side by side."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        folder.mkdir(parents=True, exist_ok=True)
        machine = Table(["", ""], [[name, value] for name, value in facts.items()])
        page = [
            f"# {self.title}",
            f"Measured {now} by `make bench-{self.name}`; every round is in "
            f"[{self.name}.json]({self.name}.json).",
            self.how,
            self.promises().markdown(),
            self.figures.markdown(),
            "## Where",
            machine.markdown(),
        ]
        (folder / f"{self.name}.md").write_text("\n\n".join(page) + "\n")
        verdicts = [
            {
                "what": target.what,
                "limit": target.limit,
                "measured": round(target.measured, 4),
                "unit": target.unit.strip(),
                "verdict": target.verdict,
            }
            for target in self.targets
        ]
        data = {"measured": now, "machine": facts, "targets": verdicts, "raw": self.raw}
        (folder / f"{self.name}.json").write_text(json.dumps(data, indent=1) + "\n")
