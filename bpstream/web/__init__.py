"""What is served over HTTP: patients, alerts, health, metrics and the live page."""
