# Generous, for machines that are busy.
ExUnit.start(capture_log: true, assert_receive_timeout: 30_000, timeout: 120_000)
