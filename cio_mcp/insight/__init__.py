"""Questions whose answer takes several reads, answered in one call: why no message, is it ready, who is this."""
