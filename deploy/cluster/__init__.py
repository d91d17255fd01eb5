"""A real Kubernetes control plane with simulated nodes, and the chart's life in it. See `deploy/verify-cluster`."""
