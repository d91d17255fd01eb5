"""A simulated Slack workspace, strict where the real one is. Knows no service, and no service knows it."""

from sandbox.slack.identity import Identity
from sandbox.slack.routes import routes
from sandbox.slack.settings import Settings
from sandbox.slack.simulation import Simulation

__all__ = ["Identity", "Settings", "Simulation", "routes"]
