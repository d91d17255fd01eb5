"""The ledger of deliveries: its states, what instructions do to it, and its SQL. No platform is called from here."""
