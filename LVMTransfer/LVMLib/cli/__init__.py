"""The ``lvm`` command: parses, calls the rooms below and prints."""
