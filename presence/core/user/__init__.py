"""One user: devices, preferences, and what changes them."""
