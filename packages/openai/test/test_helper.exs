Code.require_file("support/scripted_server.ex", __DIR__)

# A real model answers in bin/test, which starts it.
exclude = if System.get_env("LLM_URL"), do: [], else: [:model]
if exclude != [], do: IO.puts("Without a model: bin/test runs all tests, with a real one")
ExUnit.start(exclude: exclude)
