"""Making the models that `models/` ships; the worker never imports this package."""
