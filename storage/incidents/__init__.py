"""Incidents: what is kept of each book that disagreed with the venue."""
