"""Other runtimes to compare with, each in a child process because it may crash."""
