"""RocksDB and files: what outlives the process."""
