"""Ingest: files of messages and tables of readings, as messages for the topic."""
