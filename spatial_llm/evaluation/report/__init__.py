"""Scores to a page that can be read, heard and looked at: `write_report`."""

from spatial_llm.evaluation.report.write import write_report

__all__ = ["write_report"]
