"""The benchmark: bpstream beside its peers, on one broker.  `python -m tests.bench --help`."""
