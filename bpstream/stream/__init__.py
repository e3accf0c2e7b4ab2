"""The Faust app: topics, table, agents and the delivery of whole batches."""
