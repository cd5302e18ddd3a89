defmodule LlmGatewayTest do
  use ExUnit.Case, async: true

  alias LlmGateway.{AnswerSchema, Cache, Model, Redaction, TokenLimit}
  alias Pipeline.Plugin.Manager
  alias Pipeline.Provider.Error

  @schema %{type: :object, required: [:answer], properties: %{answer: %{type: :string}}}

  # Answers what no schema allows.
  defmodule Careless do
    use Pipeline.Plugin, id: :careless, version: "1.0.0"

    hook :replace, :model, priority: 99 do
      def model(_context, _next), do: %{text: "{}", object: %{"answer" => 7}, model: "careless", usage: %{}}
    end
  end

  setup_all do
    %{address: ScriptedServer.start!()}
  end

  # The names of models carry the name of the gateway: the server counts by name.
  defp gateway(address, preferred, limit \\ %{}) do
    id = System.unique_integer([:positive])
    name = {:gateway, id}
    models = %{preferred: "#{preferred}-#{id}", backup: "echo-backup-#{id}"}
    config = &%{base_url: address <> "/v1", model: models[&1], retries: 0}

    plugins = [
      Redaction,
      {TokenLimit, Map.merge(%{per_ms: 86_400_000_000}, limit)},
      Cache,
      {AnswerSchema, %{schema: @schema}}
    ]

    start_supervised!({LlmGateway, name: name, plugins: plugins}, id: name)

    {:ok, :preferred} = Manager.load_plugin(Model, config.(:preferred), instance: name, as: :preferred)

    {:ok, :backup} =
      Manager.load_plugin(Model, config.(:backup),
        instance: name,
        as: :backup,
        hooks: %{model: [priority: 40, on_error: :halt]}
      )

    Map.put(models, :name, name)
  end

  test "the preferred model answers, with an object", %{address: address} do
    %{name: name} = gateway = gateway(address, "echo")
    assert {:ok, %{object: %{"answer" => "Hello"}, model: model}} = LlmGateway.ask(name, "acme", "Hello")
    assert model == gateway.preferred
    assert ScriptedServer.requests(address, gateway.backup) == 0
  end

  test "no model sees an address or the number of a card", %{address: address} do
    %{name: name} = gateway(address, "echo")
    prompt = "Write to ada@example.org about 4111 1111 1111 1111."

    assert {:ok, %{object: %{"answer" => "Write to [REDACTED] about [REDACTED]."}}} =
             LlmGateway.ask(name, "acme", prompt)
  end

  test "the next model answers for one that fails, and its circuit opens", %{address: address} do
    %{name: name} = gateway = gateway(address, "status-503-99")

    for n <- 1..5 do
      assert {:ok, %{model: model}} = LlmGateway.ask(name, "acme", "Question #{n}")
      assert model == gateway.backup
    end

    # After three failures it is left alone.
    assert ScriptedServer.requests(address, gateway.preferred) == 3
    assert ScriptedServer.requests(address, gateway.backup) == 5
    assert {:ok, stream} = LlmGateway.stream(name, "acme", "one two")
    assert Enum.join(for {:text, text} <- stream, do: text) == "one two "
  end

  test "the error of the last model is the caller's, and is not kept", %{address: address} do
    %{name: name} = gateway = gateway(address, "status-503-99")
    :ok = Manager.unload_plugin(:backup, instance: name)
    :ok = Manager.configure_hook(:preferred, :model, on_error: :halt, instance: name)

    for _ <- 1..2 do
      assert {:error, %Pipeline.Hook.Error{plugin: :preferred, reason: %Error{status: 503}}} =
               LlmGateway.ask(name, "acme", "Hello")
    end

    assert ScriptedServer.requests(address, gateway.preferred) == 2
  end

  test "a prompt that a model refuses does not open its circuit", %{address: address} do
    %{name: name} = gateway = gateway(address, "status-400-99")

    for n <- 1..5 do
      assert {:ok, %{model: model}} = LlmGateway.ask(name, "acme", "Question #{n}")
      assert model == gateway.backup
    end

    assert ScriptedServer.requests(address, gateway.preferred) == 5
  end

  test "the same prompt of a tenant is answered once", %{address: address} do
    %{name: name} = gateway = gateway(address, "echo")
    assert {:ok, answer} = LlmGateway.ask(name, "acme", "Hello")
    assert {:ok, ^answer} = LlmGateway.ask(name, "acme", "Hello")
    assert ScriptedServer.requests(address, gateway.preferred) == 1
    assert {:ok, _} = LlmGateway.ask(name, "other", "Hello")
    assert ScriptedServer.requests(address, gateway.preferred) == 2
  end

  test "a tenant has its tokens, and no more", %{address: address} do
    %{name: name} = gateway(address, "echo", %{tokens: 250})
    assert {:ok, _} = LlmGateway.ask(name, "acme", "Hello")
    # It is kept, so it costs nothing.
    assert {:ok, _} = LlmGateway.ask(name, "acme", "Hello")

    assert {:error, {:token_limit, %{needed: 202, left: 49}}} = LlmGateway.ask(name, "acme", "Bye")
    assert {:error, {:token_limit, _}} = LlmGateway.stream(name, "acme", "Bye")
    assert {:ok, _} = LlmGateway.ask(name, "acme", "Bye", max_tokens: 10)
    assert {:ok, _} = LlmGateway.ask(name, "other", "Bye")
  end

  test "an answer that does not match the schema does not get out, nor is it kept", %{address: address} do
    %{name: name} = gateway = gateway(address, "echo")
    {:ok, :careless} = Manager.load_plugin(Careless, %{}, instance: name)
    assert {:error, {:schema_violation, [:object], [message]}} = LlmGateway.ask(name, "acme", "Hello")
    assert message =~ "/answer"

    :ok = Manager.unload_plugin(:careless, instance: name)
    assert {:ok, %{model: model}} = LlmGateway.ask(name, "acme", "Hello")
    assert model == gateway.preferred
  end

  test "no prompt gets in while the redaction is down", %{address: address} do
    %{name: name} = gateway = gateway(address, "echo")
    :ok = Manager.hold_plugin(:redaction, instance: name)

    assert {:error, %Pipeline.Hook.Error{reason: {:plugin_down, :redaction, :held}}} =
             LlmGateway.ask(name, "acme", "Hello")

    assert ScriptedServer.requests(address, gateway.preferred) == 0
  end

  test "a stream that its client leaves ends at the server", %{address: address} do
    %{name: name} = gateway = gateway(address, "endless")
    assert {:ok, stream} = LlmGateway.stream(name, "acme", "to ada@example.org")
    assert Enum.take(stream, 3) == [{:text, "to "}, {:text, "[REDACTED] "}, {:text, "on "}]
    assert ScriptedServer.closed?(address, gateway.preferred)
  end

  @tag :model
  @tag timeout: 300_000
  test "a real model answers, whole and in parts" do
    name = {:gateway, :real}
    start_supervised!({LlmGateway, name: name, plugins: [Redaction, {AnswerSchema, %{schema: @schema}}]})

    config = %{
      base_url: System.fetch_env!("LLM_URL"),
      api_key: System.get_env("KEY", "none"),
      model: "smollm2-135m-instruct"
    }

    {:ok, :small} = Manager.load_plugin(Model, config, instance: name, as: :small)

    assert {:ok, %{object: %{"answer" => answer}}} = LlmGateway.ask(name, "acme", "Name a colour.")
    assert is_binary(answer)

    assert {:ok, stream} = LlmGateway.stream(name, "acme", "Name a colour.", max_tokens: 12)
    assert [{:text, _} | _] = deltas = Enum.to_list(stream)
    assert {:done, _} = List.last(deltas)
  end
end
