"""The view: SQL constants beside the row mapping that uses them, and the overlay that a batch decides on."""
