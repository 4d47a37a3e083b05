"""The statistics, each a pure function, each tested against a reference implementation."""
