"""What a person says with everything asked of a worker: a name, and words."""

from typing import Annotated

from msgspec import Meta

Author = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
"""A name; nobody checks whose it is."""
Comment = Annotated[str, Meta(max_length=1000)]
Reason = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\S")]
