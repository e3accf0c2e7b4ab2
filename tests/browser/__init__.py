"""The live page in a real browser, before a real worker on the embedded broker."""
