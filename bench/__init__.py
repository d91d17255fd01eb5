"""Measures Okno against a hand-written minimum of the same hops (floor/),
alternating in one run; knows both from outside.
"""
