"""What a ticket is and how it changes. Pure: no I/O, no clock, no randomness; time and numbers are handed in."""
