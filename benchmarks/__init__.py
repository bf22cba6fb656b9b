"""How fast training and its workflow are: `make bench`, or `python -m benchmarks --help`."""
