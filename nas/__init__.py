"""Search, fit, grow and export small networks. The names a user types; heavy libraries load on first use."""
