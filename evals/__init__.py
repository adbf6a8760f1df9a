"""Whether a model chooses the right tool: requests, traps, a runner for models, and a measure that needs none."""
