"""The embedded exchange: matching engine, market, faults, server, dialects."""
