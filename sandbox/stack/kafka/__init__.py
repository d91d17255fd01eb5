"""Apache Kafka run from its Maven artifacts: getting the jars, starting, stopping and killing one broker; no client."""
