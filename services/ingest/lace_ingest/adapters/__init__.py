"""The outside world behind the ports of app: Postgres, blobs, child processes and the readers of five formats."""
