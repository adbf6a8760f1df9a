"""Customer.io's events coming back: received, checked, kept, and told to agents.

`signature`, `events`, `timeline` and `showing` are pure; `store` says what a store must do, `sqlite` and `postgres`
do it; `intake` gathers events into transactions, `room` bounds what comes in, `receiver` answers Customer.io;
`known` is what is known of one delivery, `tools` answer agents.
"""
