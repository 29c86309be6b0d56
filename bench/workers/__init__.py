"""Programs of one process each that run parts of the product and tell what they saw.

`python -m bench.workers.NAME OPTIONS`: the options are one JSON object, each
line of standard output another one. A scenario starts them on the server's core.
"""
