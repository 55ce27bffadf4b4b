"""What tenants, principals, tokens, settings and audit entries are, and the rules that hold for them."""
