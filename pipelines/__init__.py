"""Flows and the command line: everything that runs, trains, detects and reports."""
