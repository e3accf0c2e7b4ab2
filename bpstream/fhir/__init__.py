"""FHIR in and out: bytes to readings, readings to Observations."""
