"""The compiler's contract: its RPCs and the messages it consumes."""
