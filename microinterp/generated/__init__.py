"""Readers and writers of our file formats, as flatc makes them from schemas/*.fbs. Not edited."""
