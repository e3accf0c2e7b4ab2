"""Reconciling: archive, index and counters held against the topic they come from."""
