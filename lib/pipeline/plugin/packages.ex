defmodule Pipeline.Plugin.Packages do
  @moduledoc false
  # Packages of plugins, as this layer sees them. The implementation belongs to a later layer and is named by the
  # application's environment (mix.exs), as `Pipeline.Plugin.Distribution` is.
  #
  # Published for each instance: the folder that its packages are installed in.

  alias Pipeline.Instance.Published
  alias Pipeline.Options
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Error

  @behaviour Published

  @typedoc """
  An upgrade of a package: the module and the id of its plugin in the version to come, and what the implementation needs to
  put that in place and to go back.
  """
  @type change :: %{:module => module, :id => Plugin.plugin_id(), optional(atom) => term}

  @doc "Called when an instance with a folder for packages starts: removes what was left half done there."
  @callback sweep(folder :: Path.t()) :: :ok

  @doc """
  Loads the code of packages among plugins to load, and returns these as modules.

  `undo` takes the code out again that was loaded for this. `folder` is that of the instance.
  """
  @callback modules([{module | String.t(), config :: term}], folder :: Path.t() | nil) ::
              {:ok, [{module, config :: term}], undo :: (() -> :ok)} | {:error, Error.t()}

  @typedoc "A package as it is sent to another node, with its plugin's module and the MD5 of that."
  @type packed :: %{name: String.t(), archive: binary, module: module, md5: binary}

  @doc "The package that a plugin is from, or that lies in a folder; `:none` if there is none."
  @callback pack(module | Path.t()) :: {:ok, packed} | :none | {:error, Error.t()}

  @doc "Puts a package that was packed into the folder of an instance, and returns where it is there."
  @callback unpack(archive :: binary, folder :: Path.t() | nil) :: {:ok, Path.t()} | {:error, Error.t()}

  @doc "Where the package is that a plugin is from; `nil` for one of the host."
  @callback source(module) :: Path.t() | nil

  @doc "Starts the application of the package that a plugin is from. It is needed until the plugin's tree has ended."
  @callback start(module, tree :: pid) :: :ok | {:error, term}

  @doc "The tree of a plugin has ended. Returns once the application is stopped, if nobody else needs it."
  @callback release(tree :: pid) :: :ok

  @doc "Takes the code of a plugin's package out of the VM, unless others use it. `:none` if it is from no package."
  @callback purge(module, force? :: boolean) :: :ok | :none | {:error, {:code_in_use, [pid]}}

  @doc """
  The change from plugins that are loaded to the package at a path, for these and no other users; `:none` if the path is to be
  read as a BEAM file.
  """
  @callback change(Path.t(), current :: module, [{instance :: term, Plugin.plugin_id()}]) ::
              {:ok, change} | :none | {:error, Error.t()}

  @doc "Puts the version to come in place, whole, or fails with the one before in place."
  @callback apply_change(change) :: :ok | {:error, term}

  @doc "Puts the version before in place again; does nothing where it is."
  @callback undo_change(change) :: :ok | {:error, term}

  @doc "The change counts: takes out what is left of the version before."
  @callback settle_change(change) :: :ok

  @doc "The children that an instance with this folder needs, by the option `watch:`."
  @callback children(instance :: term, folder :: Path.t() | nil, watch :: keyword | nil) :: [
              Supervisor.child_spec()
            ]

  @doc """
  Checks the option `watch:`. Raises `ArgumentError` for what is wrong with it.
  """
  @spec watch!(term, folder :: Path.t() | nil) :: keyword | nil
  def watch!(off, _folder) when off in [nil, false], do: nil

  def watch!(_on, nil),
    do: raise(ArgumentError, "watch: needs the folder that is to be watched: give packages: too")

  def watch!(true, _folder), do: []

  def watch!(options, _folder) when is_list(options) do
    Options.validate!(options, [:interval, :config], "watch:")
    interval = Keyword.get(options, :interval, 1)
    config = Keyword.get(options, :config, %{})

    cond do
      not (is_integer(interval) and interval > 0) ->
        raise ArgumentError, "watch: interval: is a number of milliseconds, got: #{inspect(interval)}"

      not (is_map(config) and Enum.all?(config, fn {name, config} -> is_binary(name) and is_map(config) end)) ->
        raise ArgumentError, "watch: config: is a map of configurations by the names of packages"

      true ->
        options
    end
  end

  def watch!(other, _folder),
    do: raise(ArgumentError, "watch: is true, false or options, got: #{inspect(other)}")

  @doc "The implementation."
  @spec implementation() :: module
  def implementation, do: Application.fetch_env!(:pipeline_plugin, :packages_adapter)

  @doc "The folder of an instance."
  @spec folder(term) :: Path.t() | nil
  def folder(instance), do: Published.get(instance, __MODULE__)

  @impl Published
  def value(_instance, nil), do: nil

  def value(_instance, folder) do
    :ok = implementation().sweep(folder)
    folder
  end
end
