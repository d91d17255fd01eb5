"""Slack's own description of the methods that the simulation answers: names, arguments, types, content types."""
