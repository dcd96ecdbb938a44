"""A made-up organisation with weeks of sessions, made through the functions that real data takes.

`telemetry.demo.seed` does it; people and plugins stand in `people` and `catalogue`, what their
sessions look like in `stories`, and single transcript lines in `scribe`.
"""
