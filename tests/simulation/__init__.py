"""Whole lives of this server, simulated from a seed.

The processes are real ones, forked and killed with SIGKILL, and so are the ledger's file, the pipeline, the limiter and
the sandbox. Simulated are the time, the network between them and Customer.io, the agents who call, and the order in
which everything happens: one process runs at a time, and whenever it could be interrupted it asks what comes next.

```text
python -m tests.simulation --seeds 2000            count what must hold, over all of them
python -m tests.simulation --replay 17             the story of one, line by line
```
"""
