defmodule Pipeline.FaultInjection.Model do
  @moduledoc """
  What has to be there: for each plugin that is loaded its state, the number of its version and its configuration.

  `:waiting` and `:held` are both held, the one for what it needs, the other by an operator.
  """

  alias Pipeline.FaultInjection.Plugins

  @type state :: :started | :waiting | :held | :stopped | :failed
  @type t :: %{Plugins.id() => {state, version :: non_neg_integer, config :: map}}

  @type operation ::
          {:load | :unload | :cascade | :disable | :hold | :enable | :restart | :upgrade | :fail | :retry,
           Plugins.id()}
          | {:configure, Plugins.id(), integer}

  @typedoc "What it answers, an error as its kind."
  @type answer :: :ok | {:ok, term} | {:error, atom}

  @spec running(t) :: [Plugins.id()]
  def running(model), do: for({id, {:started, _, _}} <- model, do: id)

  @doc "What an operation is to answer, and what is there then."
  @spec step(t, operation) :: {answer, t}
  def step(model, {:load, id}) do
    cond do
      is_map_key(model, id) -> {{:error, :already_loaded}, model}
      met?(model, id) -> {{:ok, id}, release(Map.put(model, id, {:started, 0, %{n: 0}}))}
      true -> {{:error, :resolve}, model}
    end
  end

  def step(model, {operation, id}) when not is_map_key(model, id) and operation not in [:fail, :retry],
    do: {{:error, :not_loaded}, model}

  def step(model, {:configure, id, _n}) when not is_map_key(model, id), do: {{:error, :not_loaded}, model}

  def step(model, {:unload, id}) do
    if state(model, id) == :started and dependents(model, id) != [],
      do: {{:error, :required_by}, model},
      else: {:ok, Map.delete(model, id)}
  end

  def step(model, {:cascade, id}) do
    going = if state(model, id) == :started, do: all_dependents(model, id), else: []
    {:ok, Map.drop(model, [id | going])}
  end

  def step(model, {:disable, id}), do: {:ok, model |> put(id, :stopped) |> hold()}

  # What does not run by itself stays as it is.
  def step(model, {:hold, id}) do
    if state(model, id) in [:held, :waiting], do: {:ok, model}, else: {:ok, model |> put(id, :held) |> hold()}
  end

  def step(model, {:enable, id}) do
    cond do
      state(model, id) == :started -> {{:error, :already_started}, model}
      met?(model, id) -> {{:ok, :started}, model |> put(id, :started) |> release()}
      true -> {{:ok, :held}, put(model, id, :waiting)}
    end
  end

  def step(model, {:restart, id}), do: if_running(model, id, fn -> {:ok, model} end)

  def step(model, {:upgrade, id}) do
    if_running(model, id, fn ->
      {:started, number, config} = model[id]
      number = rem(number + 1, Plugins.versions())
      {{:ok, "1.#{number}.0"}, Map.put(model, id, {:started, number, config})}
    end)
  end

  def step(model, {:configure, id, n}) do
    {state, number, _config} = model[id]

    if state == :started,
      do: {:ok, Map.put(model, id, {state, number, %{n: n}})},
      else: {{:error, :not_started}, model}
  end

  # It crashes too often.
  def step(model, {:fail, id}) do
    if id in running(model), do: {:ok, model |> put(id, :failed) |> hold()}, else: {:ok, model}
  end

  # The end of its back-off.
  def step(model, {:retry, id}) do
    cond do
      not is_map_key(model, id) or state(model, id) != :failed -> {:ok, model}
      met?(model, id) -> {:ok, model |> put(id, :started) |> release()}
      true -> {:ok, put(model, id, :waiting)}
    end
  end

  @doc "What can be there after an operation that something was killed under, by what it answered, if it did."
  @spec after_kill(t, operation, answer | :exited) :: {:ok, [t]} | :impossible
  def after_kill(model, operation, answer) do
    {expected, done} = step(model, operation)

    case answer do
      # It says nothing of how the start ended.
      _any when elem(operation, 0) == :retry -> {:ok, [done, model]}
      # What was answered holds.
      ^expected -> {:ok, [done]}
      :exited -> {:ok, [model, done | half(model, operation)]}
      {:error, _kind} -> {:ok, [model, done | half(model, operation)]}
      _success -> :impossible
    end
  end

  # One that was on its way is failed where it was not held.
  defp half(model, {:enable, id}) when is_map_key(model, id), do: [put(model, id, :failed)]
  defp half(model, {:restart, id}) when is_map_key(model, id), do: [model |> put(id, :failed) |> hold()]
  defp half(_model, _operation), do: []

  defp if_running(model, id, fun) do
    case display(state(model, id)) do
      :started -> fun.()
      state -> {{:error, state}, model}
    end
  end

  @doc "The state that a plugin shows."
  @spec display(state) :: atom
  def display(:waiting), do: :held
  def display(state), do: state

  defp state(model, id), do: elem(model[id], 0)

  defp put(model, id, state) do
    Map.update!(model, id, fn {_state, number, config} -> {state, number, config} end)
  end

  defp met?(model, id, running \\ nil) do
    running = running || running(model)

    Enum.all?(Plugins.needs(id), fn
      {:capability, :k} -> Enum.any?(running, &(&1 != id and Plugins.capable?(&1)))
      other -> other in running
    end)
  end

  # Those that cannot stay when some go, in turn.
  defp hold(model) do
    case for id <- running(model), not met?(model, id), do: id do
      [] -> model
      ids -> ids |> Enum.reduce(model, &put(&2, &1, :waiting)) |> hold()
    end
  end

  defp release(model) do
    case for {id, {:waiting, _, _}} <- model, met?(model, id), do: id do
      [] -> model
      ids -> ids |> Enum.reduce(model, &put(&2, &1, :started)) |> release()
    end
  end

  # The dependents of one that runs.
  defp dependents(model, id) do
    rest = running(model) -- [id]
    for other <- rest, not met?(model, other, rest), do: other
  end

  defp all_dependents(model, id) do
    without = model |> Map.delete(id) |> hold()
    running(model) -- [id | running(without)]
  end
end
