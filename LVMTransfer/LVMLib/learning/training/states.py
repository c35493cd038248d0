"""How a training run stands, as `RunFolder.state` tells it. Imports nothing, so that a panel can name the states."""

ABSENT, RUNNING, DONE = "absent", "running", "done"
CANCELLED, FAILED, CRASHED = "cancelled", "failed", "crashed"

RESUMABLE = (CANCELLED, FAILED, CRASHED)
EVENTS_NAME = "events.jsonl"
