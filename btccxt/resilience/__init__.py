"""Pure cores: retry, breaker, limiter, clock. Time is passed in; no socket, no sleep of their own."""
