"""Comparing sources and bundles, and finding what a newer version does to what was written from the older one."""
