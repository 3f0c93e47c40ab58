"""Measures MarchProxy beside nginx, haproxy and Envoy on one machine."""


class BenchError(Exception):
    """Something that makes the figures worthless: a peer that does not answer, a failed request."""
