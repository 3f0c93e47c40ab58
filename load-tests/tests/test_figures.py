"""Ratios, verdicts and pages."""

import json
import tempfile
import unittest
from pathlib import Path

from bench.report import Report, Table, Target
from bench.rounds import Sample, Spread, ratios


def sample(done: int, cpu_seconds: float) -> Sample:
    return Sample(done, cpu_seconds, 1.0, None, None)


class Figures(unittest.TestCase):
    def test_a_ratio_is_taken_within_each_round(self) -> None:
        # The machine was twice as slow in the second round: no ratio shows it.
        ours = [sample(100, 2.0), sample(100, 4.0), sample(50, 1.2)]
        theirs = [sample(100, 1.0), sample(100, 2.0), sample(50, 0.5)]
        self.assertEqual(ratios({"a": ours, "b": theirs}, "a", "b"), Spread(2.0, 2.0, 2.4))

    def test_a_limit_that_is_just_reached_is_met(self) -> None:
        self.assertEqual(Target("x", 1.9, 1.9).verdict, "met")
        self.assertEqual(Target("x", 1.9, 1.901).verdict, "missed")

    def test_a_table_is_as_wide_as_its_widest_cells(self) -> None:
        table = Table(["proxy", "µs"], [["a", "1"], ["longest", "22"]])
        expected = "| proxy   | µs |\n| ------- | -- |\n| a       | 1  |\n| longest | 22 |"
        self.assertEqual(table.markdown(), expected)

    def test_a_page_and_its_raw_figures_stand_side_by_side(self) -> None:
        figures, target = Table(["proxy"], [["ours"]]), Target("time", 300, 157, " ms")
        report = Report("reload", "Reload", "How.", figures, [target], {"reload_ms": [157]})
        with tempfile.TemporaryDirectory() as folder:
            report.write(Path(folder), {"kernel": "6.1"})
            page = (Path(folder) / "reload.md").read_text()
            data = json.loads((Path(folder) / "reload.json").read_text())
        self.assertIn("| time   | at most 300 ms | 157 ms   | met     |", page)
        self.assertIn("| kernel | 6.1 |", page)
        self.assertEqual(data["raw"], {"reload_ms": [157]})
        self.assertEqual(data["targets"][0]["verdict"], "met")


if __name__ == "__main__":
    unittest.main()
