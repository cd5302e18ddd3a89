defmodule Pipeline.Plugin.Summary do
  @moduledoc """
  An instance at a glance, for operators: `Pipeline.Plugin.Manager.summary/1`. Printed, it is a table.

      iex> "instance Pipeline.Plugin: " <> _ = to_string(Pipeline.Plugin.Manager.summary())

  `to_json/1` has the same for programs. Nobody is asked: it reads what is known, in the calling process.

    * `:instance` - its name
    * `:plugins` - a map for each plugin, in load order:
      * `:id`, `:version`, `:state`, and `:reason`, why it is in that state
      * `:restarts` - of its process since it was loaded, `nil` if unknown
      * `:memory` - of its process, in bytes, `nil` if it has none
      * `:rpc_errors` - requests that it failed on, since the start of its process
      * `:runs`, `:failures` - of its hooks
      * `:open_circuits` - the points on which a circuit of its hooks is not closed
    * `:closed` - the closed points whose guards are down, see `Pipeline.Hook.down/1`
    * `:lacking` - what is missing before the instance is ready, see `Pipeline.Plugin.Manager.readiness/1`
  """

  alias Pipeline.{Foreign, Hook, JSON}
  alias Pipeline.Plugin.Resources

  @enforce_keys [:instance, :plugins, :closed, :lacking]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          instance: term,
          plugins: [plugin],
          closed: %{atom => %{Pipeline.Plugin.plugin_id() => atom}},
          lacking: [Pipeline.Plugin.Manager.Readiness.lacking()]
        }

  @type plugin :: %{
          id: Pipeline.Plugin.plugin_id(),
          version: Pipeline.Plugin.version(),
          state: atom,
          reason: term,
          restarts: non_neg_integer | nil,
          memory: non_neg_integer | nil,
          rpc_errors: non_neg_integer | nil,
          runs: non_neg_integer,
          failures: non_neg_integer,
          open_circuits: [atom]
        }

  @doc """
  The summary as JSON. Ids, points and reasons are text, as `inspect/1` shows them, on one line.

      iex> Pipeline.Plugin.Summary.to_json(Pipeline.Plugin.Manager.summary()) =~ ~s("instance": "Pipeline.Plugin")
      true
  """
  @spec to_json(t) :: String.t()
  def to_json(%__MODULE__{} = summary), do: summary |> to_data() |> JSON.encode()

  @doc false
  @spec to_data(t) :: JSON.value()
  def to_data(%__MODULE__{} = summary) do
    %{
      "instance" => Foreign.term(summary.instance),
      "plugins" => Enum.map(summary.plugins, &plugin_data/1),
      "closed" =>
        for({point, down} <- summary.closed, into: %{}, do: {Foreign.term(point), closed_data(down)}),
      "lacking" =>
        for(
          %{plugin: plugin, module: module, reason: reason} <- summary.lacking,
          do: %{"plugin" => Foreign.term(plugin || module), "reason" => told(reason)}
        )
    }
  end

  defp plugin_data(plugin) do
    %{
      "id" => Foreign.term(plugin.id),
      "version" => Foreign.line(plugin.version),
      "state" => Atom.to_string(plugin.state),
      "reason" => plugin.reason && told(plugin.reason),
      "restarts" => plugin.restarts,
      "memory" => plugin.memory,
      "rpc_errors" => plugin.rpc_errors,
      "runs" => plugin.runs,
      "failures" => plugin.failures,
      "open_circuits" => Enum.map(plugin.open_circuits, &Foreign.term/1)
    }
  end

  defp closed_data(down), do: for({id, state} <- down, into: %{}, do: {Foreign.term(id), "#{state}"})

  @doc false
  # A reason on one line.
  @spec told(term) :: String.t()
  def told(error) when is_exception(error), do: Foreign.exception(error)
  def told(reason), do: Foreign.term(reason)

  @doc false
  @spec of(term, [map], [map]) :: t
  def of(instance, infos, lacking) do
    hooks = for {_point, %{hooks: hooks}} <- Hook.stats(instance: instance), hook <- hooks, do: hook

    by_plugin = Enum.group_by(hooks, & &1.plugin)
    plugins = for info <- infos, do: plugin(info, Map.get(by_plugin, info.id, []), instance)

    %__MODULE__{
      instance: instance,
      plugins: plugins,
      closed: Hook.down(instance: instance),
      lacking: lacking
    }
  end

  defp plugin(%{history: [%{reason: reason} | _]} = info, hooks, instance) do
    usage = with {:error, _} <- Resources.monitor_plugin(info.id, instance: instance), do: {:ok, %{}}
    {:ok, usage} = usage

    %{
      id: info.id,
      version: info.version,
      state: info.state,
      reason: reason,
      restarts: usage[:restarts],
      memory: usage[:memory],
      rpc_errors: usage[:rpc_errors],
      runs: sum(hooks, :runs),
      failures: sum(hooks, :failures),
      open_circuits:
        Enum.uniq(for %{circuit: %{state: state}, point: point} <- hooks, state != :closed, do: point)
    }
  end

  defp sum(hooks, key), do: hooks |> Enum.map(&Map.fetch!(&1, key)) |> Enum.sum()

  defimpl String.Chars do
    @columns ["plugin", "version", "state", "restarts", "memory", "rpc errors", "runs", "failures", "remarks"]

    def to_string(summary) do
      [head(summary) | table(summary.plugins)]
      |> Enum.concat(for {point, down} <- Enum.sort(summary.closed), do: closed(point, down))
      |> Enum.concat(
        for lacking <- summary.lacking,
            do: "not ready: #{Foreign.term(lacking.plugin || lacking.module)}, #{told(lacking.reason)}"
      )
      |> Enum.join("\n")
    end

    defp head(%{plugins: plugins, lacking: lacking} = summary) do
      count = if length(plugins) == 1, do: "1 plugin", else: "#{length(plugins)} plugins"

      "instance #{Foreign.term(summary.instance)}: #{count}, #{if lacking == [], do: "ready", else: "not ready"}"
    end

    defp closed(point, down) do
      guards = Enum.map_join(Enum.sort(down), ", ", fn {id, state} -> "#{Foreign.term(id)} is #{state}" end)
      "closed: #{Foreign.term(point)}, since #{guards}"
    end

    defp table([]), do: []

    defp table(plugins) do
      rows = [@columns | Enum.map(plugins, &row/1)]
      widths = for column <- 0..(length(@columns) - 2), do: rows |> Enum.map(&width(&1, column)) |> Enum.max()

      for row <- rows do
        {cells, [remarks]} = Enum.split(row, -1)
        cells = Enum.zip_with(cells, widths, &String.pad_trailing/2)
        String.trim_trailing(Enum.join(cells ++ [remarks], "  "))
      end
    end

    defp width(row, column), do: row |> Enum.at(column) |> String.length()

    defp row(plugin) do
      [
        Foreign.term(plugin.id),
        Foreign.line(plugin.version),
        "#{plugin.state}",
        number(plugin.restarts),
        bytes(plugin.memory),
        number(plugin.rpc_errors),
        "#{plugin.runs}",
        "#{plugin.failures}",
        remarks(plugin)
      ]
    end

    defp number(nil), do: "-"
    defp number(number), do: Integer.to_string(number)

    defp bytes(nil), do: "-"
    defp bytes(bytes) when bytes < 1024, do: "#{bytes} B"
    defp bytes(bytes) when bytes < 1024 * 1024, do: "#{div(bytes, 1024)} KiB"
    defp bytes(bytes), do: "#{div(bytes, 1024 * 1024)} MiB"

    defp remarks(plugin) do
      reason = if plugin.state in [:started, :loading], do: [], else: [told(plugin.reason)]
      circuits = for point <- plugin.open_circuits, do: "circuit open on #{Foreign.term(point)}"
      Enum.join(reason ++ circuits, "; ")
    end

    defp told(reason), do: Pipeline.Plugin.Summary.told(reason)
  end
end
