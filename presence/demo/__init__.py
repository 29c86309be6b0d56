"""A demonstration: made-up users who come, go and change by a script, in memory."""
