"""Programs of `examples/`, each on the client it is written for, against this server as a process."""
