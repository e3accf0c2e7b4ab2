"""Replay: archived documents as the messages they came from."""
