"""The smallest honest server in each library: who asks for /listen gets what others send.

Each is started as `python -m bench.peers.<name>` and prints its port. Messages of a
publisher go out as they are: no users, no rules, no store, no JSON.
"""
