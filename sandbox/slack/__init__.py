"""A simulated Slack workspace, strict where the real one is. Knows no service, and no service knows it."""

from sandbox.slack.clock import ManualClock, SystemClock
from sandbox.slack.identity import Identity
from sandbox.slack.settings import Settings
from sandbox.slack.simulation import Simulation, routes

__all__ = ["Identity", "ManualClock", "Settings", "Simulation", "SystemClock", "routes"]
