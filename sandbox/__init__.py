"""All that Okno needs to run alone: simulated platforms, the stack runner, scenarios; no service imports it."""
