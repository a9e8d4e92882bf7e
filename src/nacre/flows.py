"""Flows, on Prefect's import path."""

from nacre.declare.flow import Flow, flow

__all__ = ["Flow", "flow"]
