"""What an operator can see of a running server: log lines, traces, metrics.

Nothing here is loaded from OpenTelemetry or Prometheus until an operator asks for it; `log.py` and `environment.py`
need neither.
"""
