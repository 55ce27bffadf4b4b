"""One function per verb, over the ports that they need."""
