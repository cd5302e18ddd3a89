# Generous, for machines that are busy.
ExUnit.start(assert_receive_timeout: 30_000, capture_log: true, timeout: 300_000)
