"""The load client where no C compiler is at hand: the same plan, commands and answers.

It works thousands of times less per second than `native/load/` and shares
its core with nobody's patience: right for checks, wrong for times. Its parts
are named as those in C.
"""
