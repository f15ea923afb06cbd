"""The QC report: a page for every subject, one for the cohort, and their figures; see `report.py`."""
