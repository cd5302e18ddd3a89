defmodule Pipeline.OpenAI.ModelTest do
  use ExUnit.Case, async: true

  @moduletag :model
  @moduletag timeout: 300_000

  alias Pipeline.Plugin.Manager
  alias Pipeline.Plugins.{LocalProvider, OpenAIProvider}
  alias Pipeline.Provider
  alias Pipeline.Provider.Error

  @request %{messages: [%{role: :user, content: "Name a colour."}], options: %{max_tokens: 12, seed: 1}}

  setup do
    instance = Module.concat(__MODULE__, "I#{System.unique_integer([:positive])}")
    start_supervised!({Manager, name: instance})

    config = %{
      base_url: System.fetch_env!("LLM_URL"),
      api_key: System.get_env("KEY", "none"),
      model: "smollm2-135m-instruct"
    }

    {:ok, :local_provider} = Manager.load_plugin(LocalProvider, %{}, instance: instance)
    {:ok, :openai_provider} = Manager.load_plugin(OpenAIProvider, config, instance: instance)
    %{opts: [instance: instance], config: config}
  end

  test "answers in one piece and in parts", %{opts: opts} do
    assert {:ok, %{text: <<_, _::binary>>, usage: %{completion_tokens: tokens}}} =
             Provider.generate(@request, opts)

    assert tokens in 1..12

    assert {:ok, stream} = Provider.stream(@request, opts)
    deltas = Enum.to_list(stream)
    assert {:done, %{text: text, usage: %{completion_tokens: _}}} = List.last(deltas)
    assert Enum.join(for {:text, part} <- deltas, do: part) == text
  end

  test "keeps to a schema", %{opts: opts} do
    schema = %{
      type: :object,
      additionalProperties: false,
      required: [:name, :age],
      properties: %{name: %{type: :string, maxLength: 12}, age: %{type: :integer, minimum: 0, maximum: 99}}
    }

    request = %{
      messages: [%{role: :user, content: "A person."}],
      schema: schema,
      options: %{max_tokens: 100, seed: 1}
    }

    assert {:ok, %{object: %{"name" => name, "age" => age}}} = Provider.generate(request, opts)
    assert is_binary(name) and age in 0..99
  end

  test "embeds and lists", %{opts: opts} do
    assert {:ok, %{vectors: [[_ | _] = one, two]}} = Provider.embed(["a cat", "a dog"], opts)
    assert length(one) == length(two)
    assert {:ok, ["smollm2-135m-instruct"]} = Provider.models(opts)
    assert {:ok, [:generate, :stream, :embed, :models]} = Provider.capabilities(opts)
  end

  test "stands beside the local provider", %{opts: opts} do
    opts = Keyword.put(opts, :provider, :local_provider)
    assert {:ok, %{model: "textrank"}} = Provider.generate(%{task: :summarise, input: "One sentence."}, opts)
  end

  test "refuses a wrong key and what is too long", %{config: config} do
    assert {:error, %Error{kind: :unauthorized, status: 401}} =
             Pipeline.Providers.OpenAI.generate(@request, %{config | api_key: "wrong"})

    long = %{messages: [%{role: :user, content: String.duplicate("word ", 5_000)}]}

    assert {:error, %Error{kind: :context_length, status: 400}} =
             Pipeline.Providers.OpenAI.generate(long, config)
  end

  test "is free within a second after a stream was halted", %{opts: opts, config: config} do
    request = %{messages: [%{role: :user, content: "Tell a long story."}], options: %{max_tokens: 1_000}}
    {:ok, stream} = Provider.stream(request, opts)
    assert [{:text, _}] = Enum.take(stream, 1)
    # Both of the server's slots can be used at once: the story would hold one for half a minute.
    tasks = for _ <- 1..2, do: Task.async(fn -> Pipeline.Providers.OpenAI.generate(@request, config) end)
    assert [{:ok, _}, {:ok, _}] = Task.await_many(tasks, 60_000)
  end
end
