"""The peers import libraries that only they need, in environments of their own."""

collect_ignore_glob = ["peers/*.py"]
