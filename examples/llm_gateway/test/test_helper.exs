Code.require_file("support/scripted_server.ex", __DIR__)

# LLM_URL=$(packages/openai/bin/llm-server start) adds the test with a real model.
ExUnit.start(capture_log: true, exclude: if(System.get_env("LLM_URL"), do: [], else: [:model]))
