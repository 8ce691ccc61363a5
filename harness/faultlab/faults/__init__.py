"""The faults: one module a mechanism, values named for the symptom."""
