"""One file per scenario, each with a SCENARIO; `python -m bench` finds them."""
