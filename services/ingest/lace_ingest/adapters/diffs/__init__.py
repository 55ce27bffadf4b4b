"""What diffs need of the outside world: a child process, a memory, the citations of runs."""
