ExUnit.start(capture_log: true, assert_receive_timeout: 10_000)
