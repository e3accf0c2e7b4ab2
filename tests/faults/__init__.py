"""What must hold whatever fails: nothing lost, nothing twice.  On a real Kafka."""
