defmodule Pipeline.OpenAITest do
  use ExUnit.Case, async: true

  alias Pipeline.Provider.Error
  alias Pipeline.Providers.OpenAI

  @request %{messages: [%{role: :user, content: "Hello"}]}

  setup_all do
    %{address: ScriptedServer.start!()}
  end

  setup %{address: address} do
    %{config: %{base_url: address <> "/v1", model: "echo", retries: 2}}
  end

  # A name of its own for each test: the server counts by name.
  defp with_model(config, script) do
    Map.put(config, :model, "#{script}-#{System.unique_integer([:positive])}")
  end

  defp collect(config, script) do
    {:ok, stream} = OpenAI.stream(@request, with_model(config, script))
    Enum.to_list(stream)
  end

  describe "a request" do
    test "carries the key, the organization and what was asked", %{config: config} do
      tool = %{name: "weather", parameters: %{type: :object}}
      call = %{id: "1", name: "weather", arguments: %{"city" => "Bern"}}

      request = %{
        messages: [
          %{role: :system, content: "Be brief."},
          %{role: :user, content: "Weather?"},
          %{role: :assistant, tool_calls: [call]},
          %{role: :tool, tool_call_id: "1", content: "sunny"}
        ],
        tools: [tool],
        options: %{max_tokens: 5, temperature: 0.5}
      }

      config = Map.merge(config, %{api_key: " key-1 \n", organization: "org"})

      assert {:ok, %{text: text, finish_reason: :stop, model: "scripted", usage: usage}} =
               OpenAI.generate(request, config)

      assert usage == %{prompt_tokens: 3, completion_tokens: 2, total_tokens: 5}
      assert {:ok, seen} = Pipeline.OpenAI.Transport.decode_json(text)
      assert %{"authorization" => "Bearer key-1", "organization" => "org"} = seen

      assert %{"max_tokens" => 5, "temperature" => 0.5, "tools" => [%{"function" => %{"name" => "weather"}}]} =
               seen["body"]
    end

    test "takes the key from the environment", %{config: config} do
      System.put_env("OPENAI_TEST_KEY", "from-env")
      config = Map.put(config, :api_key, {:env, "OPENAI_TEST_KEY"})
      assert {:ok, %{text: text}} = OpenAI.generate(@request, config)
      assert text =~ "Bearer from-env"

      assert {:error, %Error{kind: :unauthorized, message: message}} =
               OpenAI.generate(@request, %{config | api_key: {:env, "OPENAI_NO_SUCH_KEY"}})

      assert message =~ "OPENAI_NO_SUCH_KEY"
    end

    test "that cannot be made is refused by a sentence", %{config: config} do
      for {request, part} <- [
            {%{}, "neither :messages"},
            {%{messages: []}, "neither :messages"},
            {%{messages: [%{role: :robot, content: "a"}]}, ":role"},
            {%{messages: [%{role: :user}]}, ":content"},
            {%{messages: [%{role: :tool, content: "a"}]}, ":tool_call_id"},
            {%{mesages: []}, "Did you mean :messages?"},
            {Map.put(@request, :options, %{max_token: 1}), "Did you mean :max_tokens?"},
            {Map.put(@request, :tools, [%{}]), "a tool is a map"},
            {Map.put(@request, :schema, %{a: self()}), "cannot be written as JSON"}
          ] do
        assert {:error, %Error{kind: :bad_request, message: message}} = OpenAI.generate(request, config)
        assert message =~ part
      end
    end

    test "with a wrong configuration shows no key", %{config: config} do
      config = Map.merge(config, %{api_key: "sk-secret\nsecond", base_url: "ftp://user:pass@host"})
      assert {:error, %Error{message: message}} = OpenAI.generate(@request, config)
      refute message =~ "sk-secret"
      refute message =~ "pass@"

      assert {:error, %Error{message: message}} =
               OpenAI.generate(@request, %{config | base_url: "http://127.0.0.1:1"})

      refute message =~ "sk-secret"
    end
  end

  describe "an answer" do
    test "may be calls of tools", %{config: config} do
      assert {:ok, %{finish_reason: :tool_calls, tool_calls: calls}} =
               OpenAI.generate(@request, with_model(config, "tools"))

      expected = [
        %{id: "call_1", name: "weather", arguments: %{"city" => "Bern"}},
        %{id: "call_2", name: "time", arguments: %{}}
      ]

      assert calls == expected

      assert [{:tool_call, first}, {:tool_call, second}, {:done, %{tool_calls: ^expected}}] =
               collect(config, "tools")

      assert [first, second] == expected
    end

    test "that is not what was asked for is invalid", %{config: config} do
      for {script, part} <- [
            {"html", "no JSON"},
            {"odd", "no choices"},
            {"badtool", "no JSON object"},
            {"large", "more than 1048576 bytes"}
          ] do
        config = config |> with_model(script) |> Map.put(:max_bytes, 1_048_576)
        assert {:error, %Error{kind: :invalid_response, message: message}} = OpenAI.generate(@request, config)
        assert message =~ part
      end

      schema = %{type: :object, properties: %{age: %{type: :integer}}}
      request = Map.put(@request, :schema, schema)

      assert {:error, %Error{kind: :invalid_response} = error} =
               OpenAI.generate(request, with_model(config, "json"))

      assert error.message =~ "/age"
    end

    test "lists models", %{config: config} do
      assert OpenAI.models(config) == {:ok, ["scripted", "other"]}
    end
  end

  describe "a failure" do
    test "has a kind for each status", %{config: config} do
      for {status, kind} <- [
            {400, :bad_request},
            {401, :unauthorized},
            {403, :unauthorized},
            {404, :not_found},
            {422, :bad_request},
            {429, :rate_limited},
            {500, :server},
            {501, :unsupported},
            {503, :server}
          ] do
        config = config |> with_model("status-#{status}-9-none") |> Map.put(:retries, 0)

        assert {:error, %Error{kind: ^kind, status: ^status, retry_after: nil} = error} =
                 OpenAI.generate(@request, config)

        assert error.message =~ "no luck"
        # A server that quotes the key is not quoted in that.
        refute error.message =~ "secret123"
      end

      assert {:error, %Error{kind: :context_length}} =
               OpenAI.generate(@request, with_model(config, "context"))

      assert {:error, %Error{kind: :invalid_response, status: 302}} =
               OpenAI.generate(@request, with_model(config, "redirect"))
    end

    test "that may pass is tried again, and no other", %{config: config, address: address} do
      for call <- [&OpenAI.generate/2, &collected/2] do
        again = with_model(config, "status-503-1-none")
        assert {:ok, %{text: "at last"}} = call.(@request, again)
        assert ScriptedServer.requests(address, again.model) == 2

        for {status, times} <- [{503, 3}, {400, 1}, {401, 1}] do
          failing = with_model(config, "status-#{status}-9-0")
          assert {:error, %Error{status: ^status}} = call.(@request, failing)
          assert ScriptedServer.requests(address, failing.model) == times
        end
      end
    end

    test "says how long to wait, and is not tried again before", %{config: config, address: address} do
      config = with_model(config, "status-429-9-3600")

      assert {:error, %Error{kind: :rate_limited, retry_after: 3_600_000} = error} =
               OpenAI.generate(@request, config)

      assert error.message =~ "3600000 ms"
      assert ScriptedServer.requests(address, config.model) == 1
    end

    test "of the network is one", %{config: config} do
      config = %{config | base_url: "http://127.0.0.1:1/v1"} |> Map.put(:retries, 0)
      assert {:error, %Error{kind: :network}} = OpenAI.generate(@request, config)
      assert {:error, %Error{kind: :network}} = OpenAI.stream(@request, config)
    end
  end

  describe "a stream" do
    test "is whole however it is cut", %{config: config} do
      assert deltas = [_ | _] = collect(config, "split")
      assert Enum.join(for {:text, text} <- deltas, do: text) == "grün 日本 🎉"

      assert {:done, %{text: "grün 日本 🎉", finish_reason: :stop, usage: %{total_tokens: 5}}} =
               List.last(deltas)
    end

    test "that ends without its mark is whole if the server said why it ends", %{config: config} do
      assert [{:text, "one"}, {:done, %{text: "one"}}] = collect(config, "unmarked")
      assert [{:text, "one"}, {:error, %Error{kind: :network}}] = collect(config, "broken")
    end

    test "ends with the error that comes in it", %{config: config} do
      assert [{:text, "one"}, {:error, %Error{kind: :server, status: 503}}] = collect(config, "failing")
      assert [{:error, %Error{kind: :invalid_response}}] = collect(config, "garbage")
      config = Map.put(config, :max_bytes, 100_000)
      assert [{:error, %Error{kind: :invalid_response}}] = collect(config, "wide")
    end

    test "that stalls ends by its time limits", %{config: config, address: address} do
      stalled = config |> with_model("stall") |> Map.put(:token_timeout, 200)
      {:ok, stream} = OpenAI.stream(@request, stalled)
      assert [{:text, "one"}, {:error, %Error{kind: :timeout}}] = Enum.to_list(stream)
      assert ScriptedServer.wait(address, "closed", stalled.model)

      silent = config |> with_model("silent") |> Map.put(:first_token_timeout, 200)
      {:ok, stream} = OpenAI.stream(@request, silent)
      assert [{:error, %Error{kind: :timeout}}] = Enum.to_list(stream)

      whole = config |> with_model("silent") |> Map.put(:timeout, 200)
      {:ok, stream} = OpenAI.stream(@request, whole)
      assert [{:error, %Error{kind: :timeout}}] = Enum.to_list(stream)
    end

    test "that is halted ends its request", %{config: config, address: address} do
      config = with_model(config, "endless")
      {:ok, stream} = OpenAI.stream(@request, config)
      assert [{:text, _}, {:text, _}] = Enum.take(stream, 2)
      assert ScriptedServer.wait(address, "closed", config.model)
    end

    # Events arrive on another thread while the reader halts.
    test "that is halted leaves nothing in the mailbox", %{config: config, address: address} do
      config = with_model(config, "flood")

      for round <- 1..400 do
        {:ok, stream} = OpenAI.stream(@request, config)
        assert length(Enum.take(stream, rem(round, 40) + 1)) == rem(round, 40) + 1
      end

      assert ScriptedServer.wait(address, "closed", config.model)
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "is enumerated once, and says so", %{config: config} do
      {:ok, stream} = OpenAI.stream(@request, with_model(config, "unmarked"))
      assert [_ | _] = Enum.to_list(stream)
      assert_raise ArgumentError, ~r/^a stream is enumerated once; ask again/, fn -> Enum.to_list(stream) end
    end

    test "ends with its process", %{config: config, address: address} do
      config = with_model(config, "endless")
      test = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          {:ok, stream} = OpenAI.stream(@request, config)
          Enum.each(stream, &send(test, &1))
        end)

      assert_receive {:text, _}, 10_000
      assert ScriptedServer.wait(address, "opened", config.model)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
      assert ScriptedServer.wait(address, "closed", config.model)
    end

    test "waits for a slow reader", %{config: config, address: address} do
      config = with_model(config, "endless")
      {:ok, stream} = OpenAI.stream(@request, config)

      assert [true] =
               stream
               |> Stream.map(fn {:text, _} -> ScriptedServer.wait(address, "held", config.model) end)
               |> Enum.take(1)

      # What lies in the mailbox is bounded, whatever the server could send.
      {:message_queue_len, waiting} = Process.info(self(), :message_queue_len)
      assert waiting <= 16
    end

    test "belongs to the process that asked", %{config: config} do
      {:ok, stream} = OpenAI.stream(@request, with_model(config, "unmarked"))

      task = Task.async(fn -> catch_error(Enum.to_list(stream)) end)
      assert %ArgumentError{message: message} = Task.await(task)
      assert message =~ "the process that called"
    end
  end

  # As `generate/2` says it.
  defp collected(request, config) do
    with {:ok, stream} <- OpenAI.stream(request, config) do
      case List.last(Enum.to_list(stream)) do
        {:done, response} -> {:ok, response}
        {:error, error} -> {:error, error}
      end
    end
  end
end
