"""The command line: a group or command a file, each thin over the same application that the service runs.

root      the command `postroom`, its subcommands by name    service   up, serve, consume
queue     `queue ...`: administration                        trying    `queue demo`, `queue test`
status    `queue status`                                     dlq       `dlq ...`
check     `check`                                            demo      `demo`

errors    failures as one line    opening   settings and application    screen   tables, JSON, masking
"""
