"""interest-drift: shoppers' interests move; this engine sees it as it happens.

One event, one path. `storage.event_log` or `topology.batches` brings its bytes,
`core.events` reads them, `shard` finds the shopper's row, `core.engine` runs every
model over it, `shard` writes the row and the offset in one batch, and
`topology.outputs` or `cli.replay` publishes what came out.
"""
