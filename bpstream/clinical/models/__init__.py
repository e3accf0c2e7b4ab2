"""Models served by numpy alone: how anomalous a reading is, and what the next one may be."""
