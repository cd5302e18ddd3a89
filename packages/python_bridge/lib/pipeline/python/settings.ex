defmodule Pipeline.Python.Settings do
  @moduledoc false
  # The settings of a pool, which are the configuration of the plugin.

  alias Pipeline.Plugin.ConfigSchema

  @mib 1_048_576

  @spec schema() :: ConfigSchema.t()
  def schema do
    [
      python_path: [
        type: {:or, [nil, :string]},
        default: nil,
        doc:
          "The interpreter, 3.9 or newer: a program, its name, or the folder of a virtual environment. By default the " <>
            "environment that `mix pipeline.python.setup` made, otherwise `python3`."
      ],
      workers: [type: :pos_integer, default: 2, doc: "How many Pythons run, each for one call at a time."],
      paths: [type: {:list, :string}, default: [], doc: "Folders with Python modules, searched first."],
      preload: [type: {:list, :string}, default: [], doc: "Modules that a worker imports when it starts."],
      env: [
        type: {:map, :string, :string},
        default: %{},
        secret: true,
        doc: "Environment variables, besides those of the VM."
      ],
      memory: [
        type: {:or, [:pos_integer, {:in, [:infinity]}]},
        default: 2048 * @mib,
        doc: "Bytes that a worker may allocate. More is a MemoryError, after which the worker is replaced."
      ],
      max_bytes: [type: :pos_integer, default: 64 * @mib, doc: "Bytes of the arguments, or of a result."],
      max_queue: [type: :non_neg_integer, default: 1_000, doc: "How many calls may wait for a worker."],
      start_timeout: [
        type: :pos_integer,
        default: 25_000,
        doc: "Milliseconds in which a worker has started and imported what it preloads."
      ],
      grace: [
        type: :non_neg_integer,
        default: 1_000,
        doc:
          "Milliseconds that the code of a call has to end once it is cancelled. Then its worker is killed."
      ],
      backoff: [
        type: :map,
        default: %{},
        keys: [
          min: [
            type: :pos_integer,
            default: 200,
            doc: "Milliseconds before the second try to start a worker."
          ],
          max: [type: :pos_integer, default: 30_000, doc: "The longest pause, in milliseconds."]
        ],
        doc: "Pauses between tries to replace a worker that ends before it has answered a call."
      ],
      log_level: [
        type: {:in, [:debug, :info, :notice, :warning, :error]},
        default: :info,
        doc: "At which level the log has what Python prints."
      ]
    ]
  end

  @doc "The settings as processes keep them: what may be secret is in a function, which no report shows."
  @spec sealed(settings) :: settings when settings: map | keyword
  def sealed(settings) do
    case settings[:env] do
      env when is_map(env) -> put_in(settings[:env], fn -> env end)
      _ -> settings
    end
  end

  @doc "Settings that may have been sealed, as they were."
  @spec opened(keyword) :: keyword
  def opened(settings) do
    if is_function(settings[:env], 0), do: Keyword.update!(settings, :env, & &1.()), else: settings
  end

  @doc "The settings with their defaults. Raises `ArgumentError` for others."
  @spec validate!(map | keyword, String.t()) :: map
  def validate!(settings, of) do
    case ConfigSchema.validate(Map.new(settings), schema()) do
      {:ok, settings} ->
        settings

      {:error, {:invalid_config, problems}} ->
        raise ArgumentError, "#{of}: " <> Enum.map_join(problems, "; ", &to_string/1)
    end
  end
end
