"""The transports, seen from the client's end of real pipes and sockets."""
