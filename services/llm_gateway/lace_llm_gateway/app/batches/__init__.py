"""Many runs of one template, and where they are made."""
