"""Running suites within limits."""
