"""The operator's page: what this server does now, what waits for a person, and whether the record holds.

`calls` and `picture` are pure: records and budgets become what the page shows. `watch` gathers them, `chain_check`
verifies the record now and then, `sign_in` knows who is the operator, `pages` answers requests and `beside` listens.
"""
