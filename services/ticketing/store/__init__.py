"""SQL constants beside the row mapping that uses them. Decides nothing: the domain does."""
