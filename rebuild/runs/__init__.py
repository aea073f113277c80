"""Runs: what they are asked to do, the queue, one from claim to outcome, what stays of them."""
