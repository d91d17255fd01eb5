"""`make demo`: the whole stack with one command, and both stories told as they happen."""
