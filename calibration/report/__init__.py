"""The report of a calibration: one page that can be read, printed and sent by itself."""

from calibration.report.page import ReportInput, write_report

__all__ = ["ReportInput", "write_report"]
