"""Turns scores into a page with tables, plots and recordings: `write_report`."""

from spatial_llm.evaluation.report.write import write_report

__all__ = ["write_report"]
