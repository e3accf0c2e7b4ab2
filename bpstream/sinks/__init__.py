"""Where documents are stored: a batch in, nothing out."""
