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
  """

  alias Pipeline.{Instance, Options}
  alias Pipeline.Plugin.Registry

  @typedoc """
  A request.

    * `:task` - the name of the task, such as `:summarise`. A language model derives its instructions from it
    * `:input` - the text to work on
    * `:options` - parameters of the task, such as `%{sentences: 3}`
  """
  @type request :: %{required(:task) => atom, required(:input) => String.t(), optional(:options) => map}

  @typedoc """
  The generated text, the name of the model, and the usage in units of the provider.
  """
  @type response :: %{text: String.t(), model: String.t(), usage: map}

  @doc """
  Generates a text.

  `{:error, {:unsupported_task, task}}` means that the provider does not know the task.
  """
  @callback generate(request, Pipeline.Plugin.config()) :: {:ok, response} | {:error, reason :: term}

  @doc """
  Generates a text with the provider that `Pipeline.Plugin.Manager.get_provider/2` finds.

  Option: `:instance`, by default the instance that the application starts.
  """
  @spec generate(request, keyword) :: {:ok, response} | {:error, :no_provider | term}
  def generate(request, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Provider.generate/2")
    # Both reads use one snapshot, so the provider cannot be unloaded between them.
    registry = Registry.snapshot(Registry.of(opts[:instance] || Instance.default()))

    case Registry.get_provider(registry, :provider) do
      {:ok, {id, module}} -> module.generate(request, Registry.get!(registry, id).config)
      :error -> {:error, :no_provider}
    end
  end
end
