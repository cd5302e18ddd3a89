defmodule Pipeline.Provider do
  @moduledoc """
  Behaviour of a provider: who generates text, such as a language model or the summariser that is built in.

  A plugin offers one with `provides :provider, MyApp.Providers.SomeModel`; its configuration reaches each call.
  """

  alias Pipeline.Plugin.Registry
  alias Pipeline.Options

  @typedoc """
  What is asked for.

    * `:task` - what to do, `:summarise` for example; a language model makes its instructions of it
    * `:input` - the text to do it with
    * `:options` - what the task leaves open, such as `%{sentences: 3}`
  """
  @type request :: %{required(:task) => atom, required(:input) => String.t(), optional(:options) => map}

  @typedoc """
  What came of it: the text, the model that it comes from, and what it cost, in the provider's own terms.
  """
  @type response :: %{text: String.t(), model: String.t(), usage: map}

  @doc """
  Generates a text.

  `{:error, {:unsupported_task, task}}` says that the provider does not know the task.
  """
  @callback generate(request, Pipeline.Plugin.config()) :: {:ok, response} | {:error, reason :: term}

  @doc """
  Generates a text with the provider of an instance, the best by default and priority.

  Option: `:instance`, by default the application's own.
  """
  @spec generate(request, keyword) :: {:ok, response} | {:error, :no_provider | term}
  def generate(request, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Provider.generate/2")
    # One view of the registry, so that a provider that is unloaded meanwhile is still whole here.
    registry = Registry.snapshot(Registry.of(opts[:instance] || Pipeline.Plugin))

    case Registry.get_provider(registry, :provider) do
      {:ok, {id, module}} -> module.generate(request, Registry.get!(registry, id).config)
      :error -> {:error, :no_provider}
    end
  end
end
