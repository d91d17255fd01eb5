"""Images, compose and what proves them; nothing that a process of Okno imports."""
