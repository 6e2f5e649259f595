"""The inference engine: batching, precision, memory."""
