"""`make bench`: microinterp timed against the other runtimes in one run, answers checked."""
