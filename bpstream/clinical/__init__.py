"""The clinical arithmetic: arrays in, arrays out; it knows nothing of Kafka or FHIR."""
