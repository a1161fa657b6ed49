"""What tests of several kinds share: patience, seeds, child processes, ledgers and their checker."""
