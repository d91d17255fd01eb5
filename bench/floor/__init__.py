"""The hand-written minimum: the same hops, rows, indexes and durability as Okno's way from webhook to ticket, and
nothing else. It imports nothing of Okno; only its tables are made by Okno's own migrations (bench/side.py).
"""
