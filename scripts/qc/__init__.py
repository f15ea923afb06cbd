"""The quality control report, a page for each subject."""
