"""The pages of the documentation; a package so that hooks/ can be imported."""
