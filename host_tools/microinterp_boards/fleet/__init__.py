"""Boards by name, from a user's fleet.toml, and what is done with several of them at once."""
