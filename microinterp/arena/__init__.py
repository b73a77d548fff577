"""The tensor arena: who lives when, where each buffer goes, and a checker that trusts neither."""
