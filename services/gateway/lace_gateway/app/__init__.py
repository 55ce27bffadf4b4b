"""What the gateway does itself: telling who calls, fanning out run events, taking in uploads."""
