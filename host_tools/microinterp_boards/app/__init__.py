"""Programs that a board starts at boot: read here, committed as models are, tried, and started."""
