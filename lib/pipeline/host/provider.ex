defmodule Pipeline.Provider do
  @moduledoc """
  The behaviour of a module that generates text, such as a language model or the summariser of this library.

      iex> {:ok, :local_provider} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.LocalProvider)
      iex> {:ok, response} = Pipeline.Provider.generate(%{task: :summarise, input: "One sentence is its own summary."})
      iex> response.text
      "One sentence is its own summary."
      iex> Pipeline.Plugin.Manager.unload_plugin(:local_provider)
      :ok

  A plugin offers a provider with `provides :provider, MyApp.Providers.SomeModel`. Each call gets the
  configuration of the plugin.

  Only `c:generate/2` is required. The other callbacks are capabilities that `capabilities/1` lists:

      iex> {:ok, :local_provider} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.LocalProvider)
      iex> Pipeline.Provider.capabilities()
      {:ok, [:generate, :models]}
      iex> {:error, error} = Pipeline.Provider.embed(["a text"])
      iex> {error.kind, error.message}
      {:unsupported, "the provider Pipeline.Providers.Local has no embed/2; choose another with provider:"}
      iex> Pipeline.Plugin.Manager.unload_plugin(:local_provider)
      :ok

  ## Options of all functions

    * `:instance` - by default the instance that the application starts
    * `:provider` - the id of the plugin whose provider is asked; by default the one that
      `Pipeline.Plugin.Manager.get_provider/2` finds
  """

  alias Pipeline.{Instance, Options}
  alias Pipeline.Plugin.{Manifest, Registry}
  alias Pipeline.Provider.Error

  @typedoc """
  A message of a conversation.

    * `:role` - who says it
    * `:content` - the text; may be left out by an assistant that calls tools
    * `:tool_calls` - the calls that an assistant made
    * `:tool_call_id` - the call that a `:tool` message answers
  """
  @type message :: %{
          required(:role) => :system | :user | :assistant | :tool,
          optional(:content) => String.t(),
          optional(:tool_calls) => [tool_call],
          optional(:tool_call_id) => String.t()
        }

  @typedoc "A function that the model may ask for; `:parameters` is a JSON Schema of its arguments."
  @type tool :: %{
          required(:name) => String.t(),
          optional(:description) => String.t(),
          optional(:parameters) => map
        }

  @typedoc "A call that the model asks for. The arguments have texts as keys."
  @type tool_call :: %{id: String.t(), name: String.t(), arguments: map}

  @typedoc """
  A request: a task with its input, or a conversation.

    * `:task` - the name of the task, such as `:summarise`. A language model derives its instructions from it
    * `:input` - the text to work on
    * `:messages` - the conversation so far, in place of a task and its input
    * `:tools` - functions that the model may call
    * `:schema` - a JSON Schema that the answer has to match; the answer is then in `:object`
    * `:options` - parameters, such as `%{sentences: 3}` or `%{max_tokens: 100}`
  """
  @type request :: %{
          optional(:task) => atom,
          optional(:input) => String.t(),
          optional(:messages) => [message],
          optional(:tools) => [tool],
          optional(:schema) => map,
          optional(:options) => map
        }

  @typedoc """
  An answer: the text, the name of the model, and the usage in units of the provider. Language models add:

    * `:finish_reason` - why it ends: `:stop`, `:length`, `:tool_calls`, `:content_filter` or the provider's own word
    * `:tool_calls` - the calls that the model asks for
    * `:object` - the decoded answer, if the request has a schema
  """
  @type response :: %{
          required(:text) => String.t(),
          required(:model) => String.t(),
          required(:usage) => map,
          optional(:finish_reason) => atom | String.t(),
          optional(:tool_calls) => [tool_call],
          optional(:object) => term
        }

  @typedoc """
  A part of an answer that comes in parts: pieces of text, then whole calls of tools, then the response. A stream that
  breaks ends with `{:error, error}` instead.
  """
  @type delta ::
          {:text, String.t()} | {:tool_call, tool_call} | {:done, response} | {:error, Error.t()}

  @doc """
  Generates a text.

  `{:error, {:unsupported_task, task}}` means that the provider does not know the task.
  """
  @callback generate(request, Pipeline.Plugin.config()) :: {:ok, response} | {:error, reason :: term}

  @doc """
  Generates a text in parts. Halting the enumeration ends the request.

  An error before the first part is returned.
  """
  @callback stream(request, Pipeline.Plugin.config()) :: {:ok, Enumerable.t()} | {:error, reason :: term}

  @doc "Returns a vector for each text, in their order."
  @callback embed([String.t()], Pipeline.Plugin.config()) ::
              {:ok, %{vectors: [[float]], model: String.t(), usage: map}} | {:error, reason :: term}

  @doc "Returns the names of the models that can be asked."
  @callback models(Pipeline.Plugin.config()) :: {:ok, [String.t()]} | {:error, reason :: term}

  @optional_callbacks stream: 2, embed: 2, models: 1

  @callbacks [generate: 2, stream: 2, embed: 2, models: 1]

  @doc """
  Generates a text.

  Options: see the module's documentation.
  """
  @spec generate(request, keyword) :: {:ok, response} | {:error, :no_provider | term}
  def generate(request, opts \\ []), do: call(:generate, [request], opts)

  @doc """
  Generates a text in parts, for the process that calls: `{:ok, enumerable}` of `t:delta/0`.

  The request ends when the enumeration is halted, or when the process ends.
  """
  @spec stream(request, keyword) :: {:ok, Enumerable.t()} | {:error, :no_provider | term}
  def stream(request, opts \\ []), do: call(:stream, [request], opts)

  @doc "Returns a vector for each text."
  @spec embed([String.t()], keyword) ::
          {:ok, %{vectors: [[float]], model: String.t(), usage: map}} | {:error, :no_provider | term}
  def embed(texts, opts \\ []), do: call(:embed, [texts], opts)

  @doc "Returns the names of the models that can be asked."
  @spec models(keyword) :: {:ok, [String.t()]} | {:error, :no_provider | term}
  def models(opts \\ []), do: call(:models, [], opts)

  @doc "Returns the names of the callbacks that the provider has."
  @spec capabilities(keyword) :: {:ok, [atom]} | {:error, :no_provider}
  def capabilities(opts \\ []) do
    with {:ok, module, _config} <- find(:capabilities, opts) do
      {:ok, for({name, arity} <- @callbacks, exports?(module, name, arity), do: name)}
    end
  end

  defp call(name, args, opts) do
    with {:ok, module, config} <- find(name, opts) do
      if exports?(module, name, @callbacks[name]),
        do: apply(module, name, args ++ [config]),
        else: {:error, unsupported(module, name)}
    end
  end

  # Both reads use one snapshot, so the provider cannot be unloaded between them. It shows secrets, which the provider needs.
  defp find(name, opts) do
    Options.validate!(opts, [:instance, :provider], "Pipeline.Provider.#{name}")
    instance = opts[:instance] || Instance.default()
    registry = Registry.snapshot(Registry.owned(instance))

    case provider(registry, opts[:provider]) do
      {:ok, {id, module}} -> {:ok, module, Registry.get!(registry, id).config}
      :error -> {:error, :no_provider}
    end
  end

  defp provider(registry, nil), do: Registry.get_provider(registry, :provider)

  defp provider(registry, id) do
    with {:ok, info} <- Registry.get(registry, id) do
      Enum.find_value(Manifest.providers(info), :error, fn {type, module, _opts} ->
        if type == :provider, do: {:ok, {id, module}}
      end)
    end
  end

  defp exports?(module, name, arity),
    do: Code.ensure_loaded?(module) and function_exported?(module, name, arity)

  defp unsupported(module, name) do
    %Error{
      kind: :unsupported,
      message:
        "the provider #{inspect(module)} has no #{name}/#{@callbacks[name]}; choose another with provider:"
    }
  end
end
