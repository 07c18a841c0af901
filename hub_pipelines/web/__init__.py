"""The hub's door for other systems: an ASGI app that takes messages and tells what became of them.

Belongs here: HTTP, limits on what strangers may send, the words of the answers. Not here: keeping messages (intake),
what becomes of them (intake/sealing, messaging.py). `python -m hub_pipelines.web` serves it; `hub up` starts that.
"""
