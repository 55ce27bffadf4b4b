"""What tenants and principals may spend, leased in slices."""
