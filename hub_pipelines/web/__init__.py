"""The hub's doors: an ASGI app that takes messages and tells what became of them, and Dagster's page behind a guard.

Belongs here: HTTP, limits on what strangers may send, the words of the answers. Not here: keeping messages (intake),
what becomes of them (intake/sealing, messaging.py). `python -m hub_pipelines.web` serves the app, and `python -m
hub_pipelines.web.dagster_ui` the page; `hub up` starts both.
"""
