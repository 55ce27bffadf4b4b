"""Documents read in bounded child processes."""
