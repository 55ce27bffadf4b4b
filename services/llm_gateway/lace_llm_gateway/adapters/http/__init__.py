"""Calls to providers over HTTP: one pool of connections, one way to time, cancel and fail, for every wire."""
