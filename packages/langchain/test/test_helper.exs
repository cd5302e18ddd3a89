# Generous, for machines that are busy: LangChain takes seconds to import.
ExUnit.start(capture_log: true, assert_receive_timeout: 60_000, timeout: 180_000)
