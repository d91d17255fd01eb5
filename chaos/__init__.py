"""Campaigns that break a running stack and check the whole history: seeded traffic, seeded faults, a checker. It
imports contracts and sandbox.stack, never services: what it checks it knows from outside.
"""
