defmodule Pipeline.Native.Build.Crate do
  @moduledoc false
  # A crate of `pipeline_native` in mix.exs, with the settings that decide which library comes out of it.

  alias Pipeline.Options

  @options [:path, :module, :features, :optional]

  @enforce_keys [
    :name,
    :app,
    :version,
    :root,
    :module,
    :features,
    :all_features?,
    :target,
    :target_dir,
    :installed
  ]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          name: String.t(),
          app: atom,
          version: String.t(),
          root: Path.t(),
          module: module | nil,
          features: [atom] | nil,
          all_features?: boolean,
          target: String.t() | nil,
          target_dir: Path.t(),
          installed: Path.t()
        }

  @doc """
  Reads a crate of the project that Mix is compiling.

  `native_features` of the application's configuration chooses among its optional features. Raises `Mix.Error` for an
  option or a feature that does not exist.
  """
  @spec new!(atom, keyword, Path.t()) :: t
  def new!(name, opts, installed) do
    of = "#{inspect(name)} in pipeline_native in mix.exs"
    with {:error, message} <- Options.check(opts, @options, of), do: Mix.raise(message)

    project = Mix.Project.config()
    root = Path.expand(opts[:path] || ".")
    chosen = chosen!(project[:app], opts[:optional])
    always = opts[:features] || []

    %__MODULE__{
      name: Atom.to_string(name),
      app: project[:app],
      version: project[:version],
      root: root,
      module: opts[:module],
      features: if(opts[:optional] || opts[:features], do: Enum.sort(Enum.uniq(always ++ chosen))),
      all_features?: always == [] and Enum.sort(chosen) == Enum.sort(opts[:optional] || []),
      target: System.get_env("CARGO_BUILD_TARGET"),
      target_dir: Path.expand(System.get_env("CARGO_TARGET_DIR") || Path.join(root, "target")),
      installed: installed
    }
  end

  defp chosen!(_app, nil), do: []

  defp chosen!(app, optional) do
    chosen = Application.get_env(app, :native_features, optional)

    unless is_list(chosen) do
      Mix.raise("native_features of #{inspect(app)} is a list of features, got: #{inspect(chosen)}")
    end

    for feature <- chosen, feature not in optional do
      Mix.raise(
        "unknown feature #{inspect(feature)} in native_features of #{inspect(app)}." <>
          Options.did_you_mean(feature, optional) <> " Known: #{Enum.map_join(optional, ", ", &inspect/1)}"
      )
    end

    Enum.uniq(chosen)
  end

  @doc "The file that Cargo builds."
  @spec built(t) :: Path.t()
  def built(crate) do
    Path.join([crate.target_dir, crate.target || "", "release", library_name(crate)])
  end

  @doc "The name of the library as rustc writes it: `libmy_hooks.so`."
  @spec library_name(t) :: String.t()
  def library_name(crate) do
    {prefix, extension} = affixes(crate.target)
    prefix <> String.replace(crate.name, "-", "_") <> extension
  end

  @doc "Prefix and extension of a library of a target, by default of this machine."
  @spec affixes(String.t() | nil) :: {String.t(), String.t()}
  def affixes(nil) do
    case :os.type() do
      {:win32, _} -> {"", ".dll"}
      {:unix, :darwin} -> {"lib", ".dylib"}
      {:unix, _} -> {"lib", ".so"}
    end
  end

  def affixes(target) do
    cond do
      target =~ "windows" -> {"", ".dll"}
      target =~ "apple" -> {"lib", ".dylib"}
      true -> {"lib", ".so"}
    end
  end
end
