"""The sandbox's receiver of spans: keeps the last traces in memory for the waterfall; knows OTLP, not Okno."""
