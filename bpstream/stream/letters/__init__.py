"""Letters: the dead-letter topic as people read it, and send it again after a fix."""
