"""What goes on inside a running stack, for tests and campaigns: topics, positions, outboxes. It looks, and changes
nothing but what it is asked to write; it imports contracts and the stack's description, never services.
"""
