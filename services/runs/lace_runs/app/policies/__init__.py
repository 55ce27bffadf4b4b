"""Rules of an organisation: keeping, reading, explaining and activating them, and holding runs to them."""
