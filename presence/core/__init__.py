"""The rules of presence: values in, values out; no Trio, clock, random, log or I/O."""
