"""Stories as YAML files, played against the running stack through the simulated chats and the ticketing API."""
