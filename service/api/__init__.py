"""HTTP: routes unpack, call, pack."""
