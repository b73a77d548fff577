"""Results of `board bench`: what they tell of where they were made."""
