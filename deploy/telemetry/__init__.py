"""Objectives, recording rules and dashboards as data, and their proof on a running stack; deploy/prometheus and
deploy/grafana are what Prometheus and Grafana read.
"""
