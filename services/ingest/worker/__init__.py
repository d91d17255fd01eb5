"""What ingest fetches by itself, outside the acknowledgement path: profiles and thread history."""
