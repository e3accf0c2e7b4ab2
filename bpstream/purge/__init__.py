"""Purging: readings taken before a time leave index and archive, and what cannot go is told."""
