"""Infrastructure without product nouns: settings, database, bus, blobs, rpc, telemetry, auth."""
