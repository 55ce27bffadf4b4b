"""Sources, the units read out of them, and the rules that hold for both."""
